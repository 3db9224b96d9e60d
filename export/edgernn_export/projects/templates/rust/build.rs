fn main() {
    let sources = ["c/$name.c", "c/${name}_binding.c"];
    for path in sources.iter().chain(&["c/$name.h", "c/${name}_binding.h"]) {
        println!("cargo:rerun-if-changed={path}");
    }
    cc::Build::new()
        .files(sources)
        .flag_if_supported("-std=c99")
        .opt_level(3) // in debug builds too
        .flag_if_supported("-ffp-contract=off") // the same bits as where the model was exported
        .compile("$prefix");
    if std::env::var("CARGO_CFG_UNIX").is_ok() {
        println!("cargo:rustc-link-lib=m");
    }
}
