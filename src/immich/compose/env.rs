//! `.env` files and `${VARIABLE}` in the way Docker Compose reads them.

use std::collections::BTreeMap;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// How deep defaults may be nested in each other.
const MAX_DEPTH: usize = 16;

/// Reads a `.env` file: `KEY=VALUE` lines, `#` comments, `export`, single quotes (literal) and double quotes
/// (with escapes). Values that are not in single quotes may name earlier variables. Lines of another shape
/// are left out.
pub fn read_env(text: &str) -> Variables {
    let mut variables = Variables::new();
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let value = read_value(value.trim(), &variables);
        variables.insert(name.trim().to_owned(), value);
    }
    variables
}

fn read_value(raw: &str, variables: &Variables) -> String {
    if let Some(literal) = raw.strip_prefix('\'') {
        return literal.split('\'').next().unwrap_or_default().to_owned();
    }
    let text = match raw.strip_prefix('"') {
        Some(quoted) => unescape(quoted),
        None => raw.split_once(" #").map_or(raw, |(value, _)| value).trim_end().to_owned(),
    };
    interpolate(&text, variables).unwrap_or(text)
}

/// The text up to the closing double quote with its escapes resolved.
fn unescape(quoted: &str) -> String {
    let mut out = String::new();
    let mut chars = quoted.chars();
    while let Some(ch) = chars.next() {
        match ch {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('$') => out.push_str("$$"),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

/// Puts variables into a text: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:+other}`,
/// `${NAME+other}`, `${NAME:?message}`, `${NAME?message}` and `$$` for a dollar sign. A variable that is not
/// set is empty, as in Compose. The error says what is wrong.
pub fn interpolate(text: &str, variables: &Variables) -> Result<String, String> {
    resolve(text, variables, 0)
}

fn resolve(text: &str, variables: &Variables, depth: usize) -> Result<String, String> {
    if depth > MAX_DEPTH {
        return Err(format!("defaults are nested more than {MAX_DEPTH} deep"));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(inner) = after.strip_prefix('{') {
            let end =
                closing_brace(inner).ok_or_else(|| format!("no closing brace after ${{ in {text:?}"))?;
            let (expression, tail) = inner.split_at(end);
            out.push_str(&expand(expression, variables, depth)?);
            rest = tail.strip_prefix('}').unwrap_or(tail);
        } else {
            let (name, tail) = split_name(after);
            if name.is_empty() {
                out.push('$');
            } else {
                out.push_str(variables.get(name).map_or("", String::as_str));
            }
            rest = tail;
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn expand(expression: &str, variables: &Variables, depth: usize) -> Result<String, String> {
    let (name, operator) = split_name(expression);
    if name.is_empty() {
        return Err(format!("${{{expression}}} does not begin with the name of a variable"));
    }
    let set = variables.get(name).map(String::as_str);
    if operator.is_empty() {
        return Ok(set.unwrap_or_default().to_owned());
    }
    // With a colon an empty variable counts as not set.
    let (set, operator) = match operator.strip_prefix(':') {
        Some(operator) => (set.filter(|value| !value.is_empty()), operator),
        None => (set, operator),
    };
    let mut chars = operator.chars();
    match (chars.next(), set) {
        (Some('-' | '?'), Some(value)) => Ok(value.to_owned()),
        (Some('-'), None) | (Some('+'), Some(_)) => resolve(chars.as_str(), variables, depth + 1),
        (Some('+'), None) => Ok(String::new()),
        (Some('?'), None) => Err(format!("the variable {name} is not set: {}", chars.as_str())),
        _ => Err(format!("${{{expression}}} is not a form that Compose knows")),
    }
}

fn split_name(text: &str) -> (&str, &str) {
    let end = text.find(|ch: char| !(ch == '_' || ch.is_ascii_alphanumeric())).unwrap_or(text.len());
    text.split_at(end)
}

fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 0usize;
    let mut previous = ' ';
    for (at, ch) in text.char_indices() {
        match ch {
            '{' if previous == '$' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
        previous = ch;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test should panic")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn env_files() {
        let text = "# comment\nUPLOAD_LOCATION=./library\nexport A='$x #1'\nB=\"two\\n$UPLOAD_LOCATION\" # c\n\
                    C=pass#word # note\nD=${UPLOAD_LOCATION}/x\nnonsense\nE=\nF = spaced \nG=\"\\$x\"\n";
        let read = read_env(text);
        let get = |name: &str| read.get(name).map(String::as_str);
        assert_eq!(get("UPLOAD_LOCATION"), Some("./library"));
        assert_eq!(get("A"), Some("$x #1"));
        assert_eq!(get("B"), Some("two\n./library"));
        assert_eq!(get("C"), Some("pass#word"));
        assert_eq!(get("D"), Some("./library/x"));
        assert_eq!(get("E"), Some(""));
        assert_eq!(get("F"), Some("spaced"));
        assert_eq!(get("G"), Some("$x"));
        assert_eq!(read.len(), 8);
    }

    #[test]
    fn every_form_of_a_variable() {
        let variables = read_env("SET=value\nEMPTY=\n");
        for (text, wanted) in [
            ("$SET/x", "value/x"),
            ("${SET}x", "valuex"),
            ("${NONE}", ""),
            ("${NONE:-a}", "a"),
            ("${EMPTY:-a}", "a"),
            ("${EMPTY-a}", ""),
            ("${NONE:-${SET}/b}", "value/b"),
            ("${SET:+yes}${NONE:+no}", "yes"),
            ("${EMPTY+yes}", "yes"),
            ("a$$b", "a$b"),
            ("5$", "5$"),
        ] {
            assert_eq!(interpolate(text, &variables).unwrap(), wanted, "{text}");
        }
        assert!(interpolate("${NONE:?say it}", &variables).unwrap_err().contains("say it"));
        assert!(interpolate("${SET", &variables).unwrap_err().contains("brace"));
        assert!(interpolate("${SET!x}", &variables).is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in ".{0,60}") {
            let _ = interpolate(&text, &read_env(&text));
            let _ = interpolate(&"${A:-".repeat(200), &Variables::new());
        }
    }
}
