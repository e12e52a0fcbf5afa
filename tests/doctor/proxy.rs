//! A fake Immich behind a real nginx with planted faults.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::fake_immich::{FakeImmich, Generation, KEY, Trouble};
use super::library::{Library, Told, USER};

/// A running nginx; it ends with the test.
struct Nginx {
    child: Child,
    _folder: tempfile::TempDir,
    address: String,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nginx {
    /// `locations` are what stands in its server; `IMMICH` becomes the address of Immich.
    fn start(locations: &str, immich: &str) -> Option<Self> {
        let program =
            ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| fs::exists(path).unwrap_or(false));
        let Some(program) = program else {
            eprintln!("NOT RUN: no nginx here; install the package nginx-light");
            assert!(std::env::var_os("CI").is_none(), "nginx has to be there in CI");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let place = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("  {name}_temp_path {place}/{name};\n"))
            .concat();
        let config = format!(
            "daemon off; master_process off; pid {place}/pid; error_log stderr;\nevents {{}}\nhttp {{\n  access_log off;\n\
             {temporary}  proxy_cache_path {place}/cache keys_zone=pictures:1m;\n  server {{\n    listen 127.0.0.1:{port};\n\
             {}\n  }}\n}}\n",
            locations.replace("IMMICH", immich)
        );
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let mut child = Command::new(program)
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .args(["-e", "stderr"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(child.try_wait().unwrap().is_none() && Instant::now() < until, "nginx does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, _folder: folder, address: format!("http://127.0.0.1:{port}") })
    }
}

/// As Immich's own page has it.
const GOOD: &str = "client_max_body_size 50000M; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                    proxy_set_header Connection \"upgrade\"; location / { proxy_pass IMMICH; }";

struct Scene {
    library: Library,
    immich: FakeImmich,
}

impl Scene {
    fn new() -> Self {
        Self { library: Library::new(3), immich: FakeImmich::start(Generation::New, USER, &[]) }
    }

    /// What doctor says of a proxy with these locations.
    fn told(&self, locations: &str) -> Option<Told> {
        let nginx = Nginx::start(locations, &self.immich.address)?;
        Some(self.told_at(&nginx.address))
    }

    fn told_at(&self, public: &str) -> Told {
        let media = self.library.media();
        let options =
            ["--media", media.to_str().unwrap(), "--api-url", &self.immich.address, "--public-url", public];
        self.library.doctor_with(&options, &[("PHOTOFSCK_API_KEY", KEY)])
    }
}

#[test]
fn a_good_proxy_and_the_api() {
    let scene = Scene::new();
    let Some(told) = scene.told(GOOD) else { return };
    assert_eq!(told.exit, 0, "{}", told.text);
    told.fine("proxy", "a thumbnail is the same both ways (image/webp, 27 B); WebSockets pass");
    told.fine("proxy", "is served by nginx");
    told.fine("server", "Immich 3.2.0 answers at http://127.0.0.1:");
    told.fine("jobs", "1 queues, none at work");
    assert!(!told.text.contains(KEY), "{}", told.text);
    for (method, path, _) in scene.immich.seen() {
        assert!(method == "GET", "doctor asked for {method} {path}");
    }
    let queue = json!([{ "name": "thumbnailGeneration", "isPaused": true, "statistics": { "waiting": 3, "active": 0 } }]);
    scene.immich.queues(queue);
    scene.told_at("http://127.0.0.1:1").problem(
        "jobs",
        "thumbnailGeneration is paused, 3 jobs wait",
        "Resume",
    );
}

#[test]
fn planted_faults_are_named() {
    let scene = Scene::new();
    let pass = "proxy_pass IMMICH;";
    for (locations, evidence, remedy) in [
        (
            format!("location / {{ {pass} }}"),
            "an upload of 2.0 MiB is refused by nginx",
            "client_max_body_size",
        ),
        (format!("location / {{ {pass} }}"), "WebSockets do not pass the proxy", "proxy_set_header Upgrade"),
        (
            "location / { proxy_pass http://127.0.0.1:1; }".to_owned(),
            "status 502 (nginx",
            "localhost is the container",
        ),
        (GOOD.replace("location /", "location /immich/"), "status 404 (nginx", "root of a name"),
        (format!("{GOOD} location /api/assets {{ deny all; }}"), "status 403 (nginx", "rules by country"),
        (
            format!("{GOOD} location /api/assets {{ proxy_set_header x-api-key \"\"; {pass} }}"),
            "status 401 (nginx",
            "drops the header x-api-key",
        ),
        (
            format!(
                "{GOOD} location /api/ {{ default_type text/html; return 200 '<!doctype html><title>Sign in'; }}"
            ),
            "a web page is answered instead",
            "login page",
        ),
        (
            format!("{GOOD} location /api/assets {{ return 302 https://auth.example.org/login; }}"),
            "it leads to https://auth.example.org/login",
            "login of its own",
        ),
        (
            format!("{GOOD} location /api/assets {{ return 500; }}"),
            "status 500 (nginx",
            "log of the reverse proxy",
        ),
        (
            format!(
                "{GOOD} location /api/assets {{ {pass} proxy_hide_header Content-Type; add_header Content-Type text/plain; }}"
            ),
            "the type of a thumbnail \"text/plain\"",
            "Content-Type",
        ),
    ] {
        let Some(told) = scene.told(&locations) else { return };
        told.problem("proxy", evidence, remedy);
    }
    scene.told_at("http://127.0.0.1:1").problem("proxy", "nothing listens there", "start the reverse proxy");
}

#[test]
fn an_old_copy_out_of_a_real_cache() {
    let scene = Scene::new();
    let cache = "location /api/assets { proxy_pass IMMICH; proxy_cache pictures; proxy_cache_valid 200 1h; \
                 add_header X-Cache $upstream_cache_status; }";
    let Some(nginx) = Nginx::start(&format!("{GOOD} {cache}"), &scene.immich.address) else { return };
    scene.told_at(&nginx.address).fine("proxy", "the same both ways");
    scene.immich.thumbnail("RIFF....WEBPVP8 made again");
    scene.told_at(&nginx.address).problem(
        "proxy",
        "an old copy of a thumbnail (x-cache: HIT)",
        "empty the proxy's cache",
    );
}

#[test]
fn a_server_that_is_too_slow_or_fails_itself() {
    let scene = Scene::new();
    scene.immich.trouble(Trouble::Slow(Duration::from_secs(3)));
    let impatient = GOOD.replace("location / {", "location / { proxy_read_timeout 1s;");
    let Some(told) = scene.told(&impatient) else { return };
    told.problem("proxy", "status 504 (nginx", "proxy_read_timeout");
    let body = "{\"message\":\"Asset media not found\"}".to_owned();
    scene.immich.trouble(Trouble::Answer { path: "/thumbnail", status: 404, kind: "application/json", body });
    let Some(told) = scene.told(GOOD) else { return };
    told.problem("proxy", "status 404 both ways: Immich does not have the file", "photofsck repair");
}
