//! Documents that are checked in say what the program says.

use std::path::{Path, PathBuf};

use crate::bennu::printed;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_readme_lists_the_settings() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("<!-- settings:begin -->").expect("README.md marks its settings");
    let (table, _) =
        rest.split_once("<!-- settings:end -->").expect("README.md marks the end of its settings");
    assert!(
        table.trim() == printed("settings").trim(),
        "the settings in README.md are not those of the program: put the output of `bennu settings` between the marks"
    );
}

#[test]
fn the_api_document_is_that_of_the_code() {
    assert!(
        read("docs/openapi.json").trim() == printed("openapi").trim(),
        "docs/openapi.json is not what the code says: run `make openapi`"
    );
}
