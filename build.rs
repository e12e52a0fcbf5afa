//! Compiles the small part that is written in C, against the libjpeg-turbo that turbojpeg-sys builds.

fn main() {
    const SOURCE: &str = "src/media/formats/jpeg/rows.c";
    println!("cargo:rerun-if-changed={SOURCE}");
    let mut build = cc::Build::new();
    for folder in std::env::var("DEP_TURBOJPEG_INCLUDE").unwrap_or_default().split(',') {
        build.include(folder);
    }
    build.file(SOURCE).std("c11").extra_warnings(true).compile("photofsck_jpeg");
}
