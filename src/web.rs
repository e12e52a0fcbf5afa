//! How photofsck speaks HTTP: to the address it was given and nowhere else.
//!
//! No redirect is followed and no proxy is taken from the environment; every status is an answer.

use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// An agent that waits so long for a connection, and so long for a whole answer.
pub fn agent(connect: Duration, answer: Duration) -> ureq::Agent {
    let tls = TlsConfig::builder().root_certs(roots()).build();
    ureq::Agent::config_builder()
        .timeout_connect(Some(connect))
        .timeout_global(Some(answer))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("photofsck/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build()
        .into()
}

/// The system's certificates, where it has any; a person's own authority is found there.
fn roots() -> RootCerts {
    let system = rustls_native_certs::load_native_certs().certs;
    if system.is_empty() {
        return RootCerts::WebPki;
    }
    let known: Vec<_> = system.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect();
    RootCerts::Specific(Arc::new(known))
}
