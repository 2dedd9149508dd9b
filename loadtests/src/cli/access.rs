//! `bench access` and `bench neighbour`: what authentication costs, and what one tenant does to another.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use bennu_loadtests::access_load::measure_access;
use bennu_loadtests::neighbour_load::measure_neighbour;
use clap::Args;

use super::{keep, now};

#[derive(Args)]
pub struct BennuAlone {
    /// The Bennu program; it is run as `PATH serve`
    #[arg(long, default_value = "target/release/bennu", value_name = "PATH")]
    bennu: PathBuf,
    /// Connections that send at the same time
    #[arg(long, default_value_t = 16, value_name = "N")]
    concurrency: usize,
    /// Where the servers keep their data during the run: a real disk
    #[arg(long, default_value = ".bench", value_name = "DIR")]
    directory: PathBuf,
    /// Also write every figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn access(arguments: &BennuAlone) -> Result<()> {
    fs::create_dir_all(&arguments.directory)?;
    let home = tempfile::tempdir_in(&arguments.directory)?;
    let cost = measure_access(&arguments.bennu, home.path(), arguments.concurrency, now())?;
    print!("{cost}");
    keep(arguments.json.as_deref(), &cost)
}

pub fn neighbour(arguments: &BennuAlone) -> Result<()> {
    fs::create_dir_all(&arguments.directory)?;
    let home = tempfile::tempdir_in(&arguments.directory)?;
    let cost = measure_neighbour(&arguments.bennu, home.path(), arguments.concurrency, now())?;
    print!("{cost}");
    keep(arguments.json.as_deref(), &cost)
}
