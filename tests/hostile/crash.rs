//! What a person reads when a decoder died.

use std::fs;

use super::BUDGET;
use super::bombs::seed;
use super::run::verify;

#[test]
fn a_dead_decoder_costs_one_verdict_and_is_told_by_name_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let cases = [
        ("panic", "decoder crashed: panic: the faulty decoder panics at "),
        ("abort", "SIGABRT"),
        ("segv", "SIGSEGV"),
        ("double-free", "SIGABRT"),
        ("overflow", "overflowed its stack"),
        ("exit 3", "exit status: 3"),
        ("garbage", "nonsense"),
        ("flood 1", "last words"),
        ("throw", "over the limit of"),
        ("allocate", "--memory"),
    ];
    for (command, _) in cases {
        fs::write(at(&format!("{command}.bmp")), format!("PHOTOFSCK-FAULTY:{command} ")).unwrap();
        fs::write(at(&format!("{command}-neighbour.png")), seed("png/one-bit.png")).unwrap();
    }
    let told = verify(&[folder.path()], BUDGET);
    told.assert_accounts(2 * cases.len(), 0, 0);
    assert_eq!(told.exit, 4, "{}", told.text);
    for (command, words) in cases {
        let path = at(&format!("{command}.bmp"));
        let item = told.item(&path);
        let reason = item["reason"].as_str().unwrap();
        assert_eq!(item["verdict"], "unverifiable", "{item}");
        assert!(reason.contains(words), "{command}: {reason}");
        assert!(reason.len() < 4500 && !reason.contains('\n') && !reason.contains("/src/"), "{reason}");
        assert_eq!(told.codes_of(&path), ["unknown.unverifiable"], "{command}");
        let finding = told.finding(&path);
        assert_eq!(finding["evidence"]["by"], "faulty 1", "{finding}");
        assert!(!finding["advice"].as_str().unwrap().is_empty());
        assert_eq!(told.verdict(&at(&format!("{command}-neighbour.png"))), "decodable");
    }
}
