//! A Docker that answers with canned JSON.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::library::Library;

/// One container: its JSON, and its log.
pub struct Canned {
    pub json: Value,
    pub log: &'static str,
}

/// A container that is well.
pub fn canned(name: &str, image: &str, log: &'static str) -> Canned {
    let json = json!({
        "Id": format!("{name}0123456789").replace('_', ""),
        "Name": format!("/{name}"),
        "RestartCount": 0,
        "State": { "Status": "running", "ExitCode": 0, "OOMKilled": false, "Error": "", "Health": { "Status": "healthy" } },
        "Config": { "Image": image, "User": "", "Env": ["DB_PASSWORD=s3cret"], "Tty": false,
            "Labels": { "com.docker.compose.project": "immich" } },
        "HostConfig": { "Memory": 0 },
        "Mounts": [],
        "NetworkSettings": { "Ports": {} },
    });
    Canned { json, log }
}

/// Serves them at a socket in `folder`; gives what `DOCKER_HOST` is to be.
pub fn serve(folder: &std::path::Path, containers: Vec<Canned>) -> String {
    let socket: PathBuf = folder.join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = String::new();
            if BufReader::new(stream.try_clone().unwrap()).read_line(&mut request).is_err()
                || request.is_empty()
            {
                continue;
            }
            assert!(request.starts_with("GET "), "doctor asks for nothing but reading: {request}");
            let path = request.split(' ').nth(1).unwrap();
            let found = containers.iter().find(|one| path.contains(one.json["Id"].as_str().unwrap()));
            let body = match found {
                None => {
                    json!(containers.iter().map(|one| json!({ "Id": one.json["Id"] })).collect::<Vec<_>>())
                        .to_string()
                        .into_bytes()
                }
                Some(one) if path.contains("/logs?") => {
                    let mut framed = vec![2, 0, 0, 0];
                    framed.extend(u32::try_from(one.log.len()).unwrap().to_be_bytes());
                    framed.extend(one.log.as_bytes());
                    framed
                }
                Some(one) => one.json.to_string().into_bytes(),
            };
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n");
            let _ = stream.write_all(&body);
        }
    });
    format!("unix://{}", socket.display())
}

fn fleet(server: Canned) -> Vec<Canned> {
    let mut other = canned("paperless_db", "docker.io/postgres:16", "FATAL: password authentication failed");
    other.json["Config"]["Labels"]["com.docker.compose.project"] = json!("paperless");
    vec![
        server,
        canned("immich_machine_learning", "ghcr.io/immich-app/immich-machine-learning:v3.0.1", ""),
        canned("immich_redis", "docker.io/valkey/valkey:8-bookworm", ""),
        canned("immich_postgres", "ghcr.io/immich-app/postgres:14-vectorchord0.4.3", ""),
        other,
    ]
}

fn server(library: &Library, log: &'static str) -> Canned {
    let mut server = canned("immich_server", "ghcr.io/immich-app/immich-server:v3.0.1", log);
    server.json["Mounts"] = json!([{ "Source": library.media(), "Destination": "/data", "RW": true }]);
    server
}

#[test]
fn the_containers_tell_where_everything_is() {
    let library = Library::new(3);
    let folder = tempfile::tempdir().unwrap();
    let host = serve(folder.path(), fleet(server(&library, "[Nest] LOG all is well\n")));
    let told = library.doctor_with(&[], &[("DOCKER_HOST", &host)]);
    assert_eq!(told.exit, 0, "{}", told.text);
    told.fine("containers", "immich_server runs, healthy");
    told.fine("containers", "Immich is of version 3.0.1");
    told.fine("logs", "nothing known in 1 line of 4 logs");
    told.fine("location", "(from the server's container) holds upload");
    told.fine("symptom", "of 3 assets");
    told.fine("permissions", "the server runs as root");
    assert!(!told.text.contains("s3cret") && !told.text.contains("paperless"), "{}", told.text);
}

#[test]
fn what_is_wrong_with_them_is_told() {
    let library = Library::new(3);
    let folder = tempfile::tempdir().unwrap();
    let mut sick = server(
        &library,
        "ERROR [Api:StorageService] Failed to read (/data/thumbs/.immich): Error: ENOENT: no such file or directory\n\
         Error: ENOSPC: no space left on device, write\n",
    );
    sick.json["State"]["Status"] = json!("restarting");
    sick.json["RestartCount"] = json!(17);
    sick.json["Config"]["User"] = json!("12345:12345");
    sick.json["Mounts"] = json!([{ "Source": "/old/place", "Destination": "/data", "RW": false }]);
    let compose = library.compose("");
    let host = serve(folder.path(), fleet(sick));
    let told = library.doctor_with(&["--compose", compose.to_str().unwrap()], &[("DOCKER_HOST", &host)]);
    assert_eq!(told.exit, 4, "{}", told.text);
    told.problem(
        "containers",
        "immich_server starts again and again: 17 restarts",
        "docker logs --tail 100 immich_server",
    );
    told.problem("logs", "lacks its marker", "mount the right disk");
    told.problem("logs", "a disk is full", "see space");
    told.problem("compose", "it has /old/place there", "docker compose up -d");
    told.problem("compose", "the container has /data read-only", ":ro");
    told.problem("permissions", "user 12345:12345 of the server may not write", "sudo chown -R 12345:12345");
}

#[test]
fn a_socket_that_talks_nonsense_is_no_problem_of_immichs() {
    let library = Library::new(1);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.write_all(b"220 mail ready\r\n\r\n");
        }
    });
    let host = format!("unix://{}", socket.display());
    let media = library.media();
    let told = library.doctor_with(&["--media", media.to_str().unwrap()], &[("DOCKER_HOST", &host)]);
    assert_eq!(told.exit, 0, "{}", told.text);
    told.unknown("containers", "docker.sock");
    let told = library.doctor_with(&["--media", "/m"], &[("DOCKER_HOST", "tcp://10.0.0.1:2375")]);
    assert_eq!(told.exit, 16, "{}", told.text);
}
