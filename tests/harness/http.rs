//! A small HTTP/1.1 client that says precisely how much of an answer arrived.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Nobody waits longer for a byte.
const READ_PATIENCE: Duration = Duration::from_secs(60);

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.bytes(body.to_string().into_bytes())
    }

    pub(crate) fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    fn written(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: test\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// An answer that was received to its last byte.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let first = found.next();
        assert!(found.next().is_none(), "{name} came twice: {:?}", self.headers);
        first.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where there is none.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The JSON body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// Where a 302 leads.
    #[track_caller]
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, 302, "{}", self.text());
        self.header("location").expect("a 302 has a Location")
    }

    /// The click id of a 302, under the standard parameter.
    #[track_caller]
    pub(crate) fn click_id(&self) -> String {
        let location = self.location();
        let url = url::Url::parse(location).expect("a Location is a URL");
        let mut ids = url.query_pairs().filter(|(name, _)| name == "ll_click");
        let (_, id) = ids.next().unwrap_or_else(|| panic!("no click id in {location}"));
        assert!(ids.next().is_none(), "two click ids in {location}");
        id.into_owned()
    }
}

/// How an exchange ended without a whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nobody listens.
    NotConnected,
    /// The request may have arrived; not one byte came back.
    NoAnswer,
    /// The answer ended in the middle.
    HalfAnAnswer,
}

/// A connection that is used as often as both sides like.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    /// Whether the server said that it closes after the last answer.
    pub(crate) closing: bool,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self, Cut> {
        let stream = TcpStream::connect(address).map_err(|_| Cut::NotConnected)?;
        stream.set_read_timeout(Some(READ_PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        Ok(Self {
            stream: BufReader::new(stream),
            closing: false,
        })
    }

    pub(crate) fn send(&mut self, request: &Request) -> Result<(), Cut> {
        self.stream
            .get_mut()
            .write_all(&request.written())
            .map_err(|_| Cut::NoAnswer)
    }

    /// Sends and receives. A server may answer before it has read all (413), so a failed write
    /// still looks for an answer.
    pub(crate) fn exchange(&mut self, request: &Request) -> Result<Answer, Cut> {
        let sent = self.send(request);
        let answer = self.receive(request.method == "HEAD");
        match (sent, answer) {
            (_, Ok(answer)) => Ok(answer),
            (Ok(()), Err(cut)) | (Err(_), Err(cut)) => Err(cut),
        }
    }

    /// Receives one answer, up to the blank line and the last byte of its body.
    pub(crate) fn receive(&mut self, head: bool) -> Result<Answer, Cut> {
        let mut started = false;
        let status_line = self.line(&mut started)?;
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {status_line}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line(&mut started)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("not a header: {line}"));
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let named = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        self.closing = named("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let length = named("content-length").map_or(0, |text| text.parse().expect("a length"));
        let body = match named("transfer-encoding").map(String::as_str) {
            _ if head => Vec::new(),
            None => self.bytes(length)?,
            Some("chunked") => self.chunks()?,
            Some(other) => panic!("a body in an encoding that nobody asked for: {other}"),
        };
        Ok(Answer { status, headers, body })
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, Cut> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).map_err(|_| Cut::HalfAnAnswer)?;
        Ok(bytes)
    }

    /// A body sent in pieces, each with its length in front; one of length 0 ends it.
    fn chunks(&mut self) -> Result<Vec<u8>, Cut> {
        let mut body = Vec::new();
        loop {
            let line = self.line(&mut true)?;
            let length = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("not a length: {line}"));
            body.extend(self.bytes(length)?);
            assert_eq!(self.line(&mut true)?, "", "a piece ends with a line end");
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn line(&mut self, started: &mut bool) -> Result<String, Cut> {
        let mut line = Vec::new();
        let outcome = self.stream.read_until(b'\n', &mut line);
        *started |= !line.is_empty();
        let cut = if *started { Cut::HalfAnAnswer } else { Cut::NoAnswer };
        match outcome {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no answer for {READ_PATIENCE:?}");
            }
            Err(_) => return Err(cut),
        }
        let line = line.strip_suffix(b"\r\n").ok_or(cut)?;
        Ok(String::from_utf8_lossy(line).into_owned())
    }
}

/// One request on a connection of its own.
pub(crate) fn once(address: SocketAddr, request: &Request) -> Result<Answer, Cut> {
    Connection::open(address)?.exchange(request)
}

/// One request that must be answered.
#[track_caller]
pub(crate) fn ask(address: SocketAddr, request: &Request) -> Answer {
    once(address, request).unwrap_or_else(|cut| panic!("{} {}: {cut:?}", request.method, request.target))
}

/// What an ordinary browser sends for a slug (or a slug with a query).
pub(crate) fn visit(target: &str) -> Request {
    Request::get(format!("/{target}"))
        .header(
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        )
        .header("Accept", "text/html,*/*;q=0.8")
        .header("Accept-Language", "en-GB,en;q=0.7")
}
