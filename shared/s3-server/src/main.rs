//! An S3 server for tests: buckets are directories, and every request must be signed with the one key there is.
//!
//! `s3-server DIRECTORY PORT ACCESS-KEY SECRET-KEY`. It keeps nothing in memory, so that it can be killed and started again.
//! A crate of its own, so that only those who need the program build what it is made of.

use std::path::Path;

use anyhow::{Context as _, bail};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, port, access_key, secret_key] = arguments.as_slice() else {
        bail!("usage: s3-server DIRECTORY PORT ACCESS-KEY SECRET-KEY");
    };
    let files =
        FileSystem::new(Path::new(directory)).map_err(|error| anyhow::anyhow!("{directory}: {error:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(access_key.as_str(), secret_key.as_str()));
    let service = service.build();

    let listener = TcpListener::bind(("127.0.0.1", port.parse().context("PORT")?)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            // A client that goes away in the middle is no matter.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
