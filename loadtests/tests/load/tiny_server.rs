//! An HTTP/1.1 server of a few lines with kept connections, so that a test decides every answer.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub struct Request {
    /// Request line first, then the header lines.
    pub head: Vec<String>,
    pub body: Vec<u8>,
}

pub struct Answer {
    pub status: &'static str,
    pub body: Vec<u8>,
}

/// A running server; it lives as long as the test process.
pub struct TinyServer {
    pub base_url: String,
    connections: Arc<AtomicUsize>,
}

impl TinyServer {
    pub fn start(answer: impl Fn(Request) -> Answer + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let connections = Arc::new(AtomicUsize::new(0));
        let server = Self { base_url, connections: Arc::clone(&connections) };
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                let answer = Arc::clone(&answer);
                thread::spawn(move || converse(&stream, answer.as_ref()));
            }
        });
        Ok(server)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Answers requests until the client closes the connection.
fn converse(stream: &TcpStream, answer: &impl Fn(Request) -> Answer) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader)? {
        let Answer { status, body } = answer(request);
        let length = body.len();
        write!(writer, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nretry-after: 0\r\n\r\n")?;
        writer.write_all(&body)?;
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { head, body }))
}
