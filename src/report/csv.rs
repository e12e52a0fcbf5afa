//! Findings as a table for spreadsheets (RFC 4180).

use std::io::{self, Write};

use serde_json::Value;

use crate::model::Finding;

/// The columns, in the order of a `finding` line.
const HEAD: &str = "code,severity,role,path,record_path,asset,evidence,advice\r\n";

/// Writes the names of the columns.
///
/// # Errors
/// Those of `out`.
pub fn head(out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())
}

/// Writes one finding.
///
/// # Errors
/// Those of `out`.
pub fn row(out: &mut (impl Write + ?Sized), finding: &Finding) -> io::Result<()> {
    let path = |path: &Option<std::path::PathBuf>| {
        path.as_deref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let evidence = match &finding.evidence.0 {
        map if map.is_empty() => String::new(),
        map => Value::Object(map.clone()).to_string(),
    };
    let row = [
        finding.code.to_string(),
        finding.severity.to_string(),
        finding.code.role().map(|role| role.to_string()).unwrap_or_default(),
        path(&finding.path),
        path(&finding.record_path),
        finding.asset.map(|asset| asset.to_string()).unwrap_or_default(),
        evidence,
        finding.advice.clone(),
    ];
    let row: Vec<String> = row.iter().map(|field| quote(field)).collect();
    out.write_all(row.join(",").as_bytes())?;
    out.write_all(b"\r\n")
}

/// Quotes a field where it must be. A field that a spreadsheet would run as a formula gets an apostrophe before it.
fn quote(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guarded = if formula { format!("'{field}") } else { field.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

    use super::*;
    use crate::model::{Code, Evidence, Role, What};

    #[test]
    fn rows_survive_hostile_names() {
        let finding = Finding::new(Code::File(Role::Unknown, What::Untracked))
            .at("=HYPERLINK(\"http://x\"),\n.jpg")
            .seen(Evidence::new().with("size", 3));
        let mut out = Vec::new();
        head(&mut out).expect("memory does not fail");
        row(&mut out, &finding).expect("memory does not fail");
        assert_eq!(
            String::from_utf8(out).expect("UTF-8"),
            format!(
                "{HEAD}unknown.untracked,info,unknown,\"'=HYPERLINK(\"\"http://x\"\"),\n.jpg\",,,\"{{\"\"size\"\":3}}\",\r\n"
            )
        );
    }
}
