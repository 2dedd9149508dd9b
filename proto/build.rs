//! Compiles `bennu/**/*.proto` with protox, so that no `protoc` has to be installed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let files = [
        "bennu/v1/annotation_job.proto",
        "bennu/v1/evaluation.proto",
        "bennu/v1/event.proto",
        "bennu/v1/introspection.proto",
        "bennu/v1/span_envelope.proto",
        "bennu/v1/trace_block.proto",
    ];
    println!("cargo:rerun-if-changed=bennu");
    let descriptors = protox::compile(files, ["."])?;
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}
