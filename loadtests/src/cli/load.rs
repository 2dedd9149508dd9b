//! `bench load`: scenarios of k6 against a running server, or one that is started for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use bennu_loadtests::authenticated_server::AuthenticatedServer;
use bennu_loadtests::body_files::write_bodies;
use bennu_loadtests::neighbour_load::NOISY;
use bennu_loadtests::scenario::PROJECT;
use bennu_loadtests::trace_generator::TraceGenerator;
use clap::Args;

use super::now;

/// Stands for every scenario there is.
const ALL: &str = "all";
/// How k6 ends when a threshold was missed, and when a script aborted its run (k6, `errext/exitcodes`).
const THRESHOLD_MISSED: i32 = 99;
const ABORTED: i32 = 108;

#[derive(Args)]
pub struct Bodies {
    /// An existing directory
    directory: PathBuf,
}

#[derive(Args)]
pub struct Load {
    /// A script of the directory by its name, such as steady; or all
    scenario: String,
    /// A running server, for example http://127.0.0.1:6006
    #[arg(long, required_unless_present = "bennu")]
    url: Option<String>,
    /// The Bennu program, run on an empty directory with two tenants for each scenario when there is no URL
    #[arg(long, value_name = "PATH")]
    bennu: Option<PathBuf>,
    /// The k6 program
    #[arg(long, default_value = "k6", value_name = "PATH")]
    k6: PathBuf,
    /// Where the scripts are
    #[arg(long, default_value = "loadtests/k6", value_name = "DIR")]
    scripts: PathBuf,
    /// A few seconds of little load: whether the scenarios work, not how fast the server is
    #[arg(long)]
    smoke: bool,
}

/// Writes the bodies that the scripts send.
pub fn bodies(arguments: &Bodies) -> Result<()> {
    write_bodies(&TraceGenerator::new(fastrand::u64(..), PROJECT, now()), &arguments.directory)
}

/// Runs scenarios one after the other, all of them though one should fail.
pub fn load(arguments: &Load) -> Result<()> {
    let directory = tempfile::tempdir().context("no directory could be made for the bodies")?;
    bodies(&Bodies { directory: directory.path().to_owned() })?;
    let mut failed = Vec::new();
    for scenario in arguments.scenarios()? {
        eprintln!("[{scenario}]");
        if let Err(error) = arguments.run(&scenario, directory.path()) {
            eprintln!("[{scenario}] {error:#}");
            failed.push(scenario);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

impl Load {
    fn scenarios(&self) -> Result<Vec<String>> {
        let known = scripts_in(&self.scripts)?;
        if self.scenario == ALL {
            return Ok(known);
        }
        let expected = || format!("there is no scenario {}; there are: {}", self.scenario, known.join(", "));
        ensure!(known.contains(&self.scenario), expected());
        Ok(vec![self.scenario.clone()])
    }

    fn run(&self, scenario: &str, bodies: &Path) -> Result<()> {
        let Some(bennu) = self.bennu.as_deref().filter(|_| self.url.is_none()) else {
            let url = self.url.as_deref().unwrap_or_default();
            return self.run_against(url.trim_end_matches('/'), &[], scenario, bodies);
        };
        let home = tempfile::tempdir().context("no directory could be made for the server")?;
        let server = AuthenticatedServer::start(bennu, &home.path().join("server"))?;
        server.create_tenant(NOISY)?;
        let mut keys = Vec::new();
        for (variable, tenant) in [("API_KEY", None), ("NOISY_API_KEY", Some(NOISY))] {
            keys.push((variable, server.endpoint(tenant)?.api_key.unwrap_or_default()));
        }
        let done = self.run_against(&server.process.endpoint().base_url, &keys, scenario, bodies);
        server.process.stop()?;
        done
    }

    /// The keys are given in these variables, or in those that k6 inherits.
    fn run_against(&self, url: &str, keys: &[(&str, String)], scenario: &str, bodies: &Path) -> Result<()> {
        let mut k6 = Command::new(&self.k6);
        k6.args(["run", "--quiet", "--no-color", "--no-usage-report", "--summary-trend-stats"]);
        k6.args(["med,p(95),p(99),max"]).arg(self.scripts.join(format!("{scenario}.js")));
        k6.env("URL", url).env("BODIES", fs::canonicalize(bodies)?);
        k6.envs(keys.iter().map(|(variable, key)| (variable, key)));
        k6.env("SMOKE", if self.smoke { "1" } else { "0" });
        let ended = k6.status().with_context(|| format!("could not run {}", self.k6.display()))?;
        match ended.code() {
            Some(0) => Ok(()),
            Some(ABORTED) => {
                eprintln!("[{scenario}] skipped");
                Ok(())
            }
            Some(THRESHOLD_MISSED) => bail!("a threshold was missed"),
            _ => bail!("k6 ended with {ended}"),
        }
    }
}

/// Names of the scenarios in a directory, in order.
fn scripts_in(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let scripts = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "js"));
    let mut names: Vec<String> =
        scripts.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}
