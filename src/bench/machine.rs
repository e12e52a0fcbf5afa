//! What the machine is: processors and their features, memory, heat.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::engine::Machine;
use crate::engine::machine::{load, temperature};
use crate::model::Measure;

/// Facts that figures depend on.
pub fn facts() -> Vec<Measure> {
    let machine = Machine::here();
    let mut facts = vec![
        Measure::new("machine.processors", machine.processors as f64, "")
            .with("model", model())
            .with("architecture", std::env::consts::ARCH)
            .with("features", features()),
        Measure::new("machine.memory", mebibytes(machine.memory), "MiB")
            .with("available", machine.available >> 20)
            .with("page_size", rustix::param::page_size()),
    ];
    facts.extend(load(Path::new("/proc")).map(|load| Measure::new("machine.load", load, "")));
    facts.extend(
        temperature(Path::new("/sys")).map(|degrees| Measure::new("machine.temperature", degrees, "°C")),
    );
    facts.extend(throttled(Path::new("/sys")));
    facts
}

fn mebibytes(bytes: u64) -> f64 {
    (bytes >> 20) as f64
}

/// The processor's name; boards tell theirs in the device tree.
fn model() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let board = || fs::read_to_string("/proc/device-tree/model").ok();
    let name = named.and_then(|line| line.split_once(':')).map(|(_, name)| name.to_owned()).or_else(board);
    name.map_or_else(|| "unknown".to_owned(), |name| name.trim_matches(['\0', ' ', '\n']).to_owned())
}

/// Instruction sets that hashing and resizing use.
fn features() -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    macro_rules! note {
        ($detect:ident: $($name:tt)*) => { $(if std::arch::$detect!($name) { found.push($name.into()); })* };
    }
    #[cfg(target_arch = "x86_64")]
    note!(is_x86_feature_detected: "sse4.1" "avx2" "avx512f" "sha");
    #[cfg(target_arch = "aarch64")]
    note!(is_aarch64_feature_detected: "neon" "dotprod" "sha2");
    found
}

/// What a Raspberry Pi's firmware says: bits 0 to 3 for now, 16 to 19 for some time since it was started.
fn throttled(sys: &Path) -> Option<Measure> {
    const WORDS: [&str; 4] =
        ["too little voltage", "frequency capped", "throttled", "soft temperature limit"];
    let told = fs::read_to_string(sys.join("devices/platform/soc/soc:firmware/get_throttled")).ok()?;
    let flags = u32::from_str_radix(told.trim().trim_start_matches("0x"), 16).ok()?;
    let of = |shift: u32| -> Vec<&str> {
        let words = (0..).zip(WORDS);
        words.filter(|(bit, _)| flags >> (shift + bit) & 1 == 1).map(|(_, word)| word).collect()
    };
    let now = of(0);
    Some(Measure::new("machine.throttled", now.len() as f64, "").with("now", now).with("since_start", of(16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_and_throttling_are_read_where_the_kernel_tells() -> std::io::Result<()> {
        let sys = tempfile::tempdir()?;
        assert_eq!(temperature(sys.path()), None);
        assert_eq!(throttled(sys.path()), None);
        for (zone, milli) in [("thermal_zone0", "51234\n"), ("thermal_zone1", "62000\n")] {
            fs::create_dir_all(sys.path().join("class/thermal").join(zone))?;
            fs::write(sys.path().join("class/thermal").join(zone).join("temp"), milli)?;
        }
        assert_eq!(temperature(sys.path()), Some(62.0));
        fs::create_dir_all(sys.path().join("devices/platform/soc/soc:firmware"))?;
        fs::write(sys.path().join("devices/platform/soc/soc:firmware/get_throttled"), "50005\n")?;
        let told = throttled(sys.path());
        let expected = Measure::new("machine.throttled", 2.0, "")
            .with("now", vec!["too little voltage", "throttled"])
            .with("since_start", vec!["too little voltage", "throttled"]);
        assert_eq!(told, Some(expected));
        Ok(())
    }

    #[test]
    fn this_machine_has_processors_and_memory() {
        let facts = facts();
        assert!(facts.iter().any(|fact| fact.name == "machine.processors" && fact.value >= 1.0));
        assert!(facts.iter().any(|fact| fact.name == "machine.memory" && fact.value > 0.0));
    }
}
