//! Arithmetically coded data: what no encoder writes into it.

use super::Flaw;

/// A run of one byte value longer than this cannot come from an arithmetic coder: thousands of symbols in a row would
/// have to be the most probable ones. Smaller runs come from black pictures of careless encoders.
const MAX_RUN: usize = 2048;

/// Zeroed, erased and filled blocks show as long runs of `00` or `FF`.
pub(super) fn check(data: &[u8]) -> Result<(), Flaw> {
    // Every run that is long enough covers one of these places.
    for at in (0..data.len()).step_by(MAX_RUN) {
        let Some(&byte) = data.get(at).filter(|byte| matches!(byte, 0 | 0xFF)) else { continue };
        let same = |other: &&u8| **other == byte;
        let before = data.get(..at).unwrap_or_default().iter().rev().take(MAX_RUN).take_while(same).count();
        let behind = data.get(at..).unwrap_or_default().iter().take(MAX_RUN).take_while(same).count();
        if before + behind >= MAX_RUN {
            let what =
                format!("more than {MAX_RUN} bytes {byte:02x} in a row, which no arithmetic coder writes");
            return Err(Flaw::new(at - before, what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn long_runs_are_found_wherever_they_begin() {
        for at in (0..6000).step_by(97) {
            let mut data: Vec<u8> = (0..10_000u32).map(|n| u8::try_from(n % 251).unwrap_or(0)).collect();
            data[at..at + 1500].fill(0xFF);
            assert_eq!(check(&data), Ok(()));
            data[at..at + 2560].fill(0);
            assert!(check(&data).is_err(), "{at}");
        }
    }
}
