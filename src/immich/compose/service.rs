//! Parts of one service: whom it runs as, where it is published, which folder it has where.

use serde_json::Value;

use super::env::Variables;

/// Whom the service runs as: `user:`, else the `PUID` and `PGID` of images that change to them on their own.
pub(super) fn user(service: &Value, environment: &Variables) -> Option<String> {
    let named = text(service.get("user"));
    if !named.is_empty() {
        return Some(named);
    }
    let number = |name: &str| environment.get(name).filter(|value| value.parse::<u32>().is_ok());
    let user = number("PUID")?;
    Some(number("PGID").map_or_else(|| user.clone(), |group| format!("{user}:{group}")))
}

/// Where this host reaches the server; it listens on 2283, and did on 3001 before v1.118.
pub(super) fn web(service: &Value) -> Option<String> {
    let (host, port) = [2283, 3001].into_iter().find_map(|inside| published(service, inside))?;
    Some(if host.contains(':') { format!("http://[{host}]:{port}") } else { format!("http://{host}:{port}") })
}

/// Source and target of a volume, in either way of writing it.
pub(super) fn ends(volume: &Value) -> (String, String) {
    match volume {
        Value::String(short) => {
            let mut parts = short.split(':');
            (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned())
        }
        long => (text(long.get("source")), text(long.get("target"))),
    }
}

/// The source of a volume whose target is this folder or below it.
pub(super) fn source_of(volume: &Value, folder: &str) -> Option<String> {
    let (source, target) = ends(volume);
    target.starts_with(folder).then_some(source)
}

/// Where the container port `inside` of a service is published on this host.
pub(super) fn published(service: &Value, inside: u16) -> Option<(String, String)> {
    let here = |host: &str| match host {
        "" | "0.0.0.0" | "::" => "127.0.0.1".to_owned(),
        other => other.to_owned(),
    };
    if text(service.get("network_mode")) == "host" {
        return Some((here(""), inside.to_string()));
    }
    list(service.get("ports")).iter().find_map(|entry| {
        if let Some(long) = entry.as_object() {
            let port = text(long.get("published"));
            let fits = text(long.get("target")) == inside.to_string() && !port.is_empty();
            return fits.then(|| (here(&text(long.get("host_ip"))), port));
        }
        let entry = text(Some(entry));
        let entry = entry.split('/').next().unwrap_or_default();
        let (outer, target) = entry.rsplit_once(':')?;
        let (host, port) = outer.rsplit_once(':').unwrap_or(("", outer));
        let fits = target == inside.to_string() && port.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| (here(host.trim_matches(['[', ']'])), port.to_owned()))
    })
}

pub(super) fn list(value: Option<&Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(entries)) => entries.clone(),
        None | Some(Value::Null) => Vec::new(),
        Some(single) => vec![single.clone()],
    }
}

pub(super) fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn users_as_images_take_them() {
        let none = Variables::new();
        let own: Variables =
            [("PUID", "99"), ("PGID", "100")].map(|(name, id)| (name.to_owned(), id.to_owned())).into();
        assert_eq!(user(&json!({}), &none), None);
        assert_eq!(user(&json!({}), &own).as_deref(), Some("99:100"));
        assert_eq!(user(&json!({ "user": "1000:1000" }), &own).as_deref(), Some("1000:1000"));
        assert_eq!(user(&json!({ "user": 1000 }), &none).as_deref(), Some("1000"));
    }

    #[test]
    fn ports_and_folders() {
        assert_eq!(web(&json!({ "ports": ["8080:3001"] })).as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(web(&json!({ "ports": [] })), None);
        let short = json!("./postgres:/var/lib/postgresql/data");
        assert_eq!(source_of(&short, "/var/lib/postgresql").as_deref(), Some("./postgres"));
        assert_eq!(source_of(&json!("./a:/b"), "/var/lib/postgresql"), None);
    }
}
