//! Writes databases of addresses in the `MaxMind` DB format, version 2.0
//! (<https://maxmind.github.io/MaxMind-DB/>): just enough of it for tests. IPv6 trees with 32-bit
//! records; IPv4 networks lie in `::/96`, as the format says.

use std::net::IpAddr;

use ipnet::IpNet;

const METADATA_MARK: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Zeros between the tree and the data.
const SEPARATOR_BYTES: u32 = 16;

/// What a network's record holds.
pub(crate) enum Value {
    Text(&'static str),
    Short(u16),
    Whole(u32),
    Long(u64),
    Map(Vec<(&'static str, Value)>),
    NoList,
}

impl Value {
    pub(crate) fn iso_code(code: &'static str) -> Self {
        Self::Map(vec![("iso_code", Self::Text(code))])
    }

    /// A record as in the databases of `MaxMind`.
    pub(crate) fn country(code: &'static str) -> Self {
        Self::Map(vec![("country", Self::iso_code(code))])
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut head = |kind: u8, size: usize| {
            let size = u8::try_from(size).expect("values of tests are short");
            assert!(size < 29, "longer ones need more bytes");
            // Kinds above 7 stand in a byte of their own.
            if kind > 7 {
                out.extend([size, kind - 7]);
            } else {
                out.push(kind << 5 | size);
            }
        };
        match self {
            Self::Text(text) => {
                head(2, text.len());
                out.extend(text.as_bytes());
            }
            Self::Short(number) => {
                head(5, 2);
                out.extend(number.to_be_bytes());
            }
            Self::Whole(number) => {
                head(6, 4);
                out.extend(number.to_be_bytes());
            }
            Self::Long(number) => {
                head(9, 8);
                out.extend(number.to_be_bytes());
            }
            Self::NoList => head(11, 0),
            Self::Map(pairs) => {
                head(7, pairs.len());
                for (key, value) in pairs {
                    Self::Text(key).write(out);
                    value.write(out);
                }
            }
        }
    }
}

/// What a bit of an address leads to.
#[derive(Clone, Copy)]
enum Branch {
    Nothing,
    Node(u32),
    /// Where the record begins in the data.
    Data(u32),
}

/// A database in the making.
pub(crate) struct Database {
    kind: &'static str,
    nodes: Vec<[Branch; 2]>,
    data: Vec<u8>,
}

impl Database {
    pub(crate) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            nodes: vec![[Branch::Nothing; 2]],
            data: Vec::new(),
        }
    }

    /// Adds a network; it must not lie inside another.
    pub(crate) fn with(mut self, network: &str, value: Value) -> Self {
        let network: IpNet = network.parse().expect("a network");
        let (bits, len) = match network.network() {
            IpAddr::V4(address) => (u128::from(u32::from(address)), network.prefix_len() + 96),
            IpAddr::V6(address) => (u128::from(address), network.prefix_len()),
        };
        let bit = |depth: u8| usize::from(bits >> (127 - depth) & 1 == 1);
        let mut node = 0;
        for depth in 0..len - 1 {
            let next = u32::try_from(self.nodes.len()).expect("a small tree");
            node = match self.nodes[node][bit(depth)] {
                Branch::Node(below) => below as usize,
                Branch::Nothing => {
                    self.nodes[node][bit(depth)] = Branch::Node(next);
                    self.nodes.push([Branch::Nothing; 2]);
                    next as usize
                }
                Branch::Data(_) => panic!("{network} lies inside another network"),
            };
        }
        let at = u32::try_from(self.data.len()).expect("small data");
        self.nodes[node][bit(len - 1)] = Branch::Data(at);
        value.write(&mut self.data);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = u32::try_from(self.nodes.len()).expect("a small tree");
        let mut out = Vec::new();
        for branch in self.nodes.iter().flatten() {
            let record = match branch {
                Branch::Nothing => count,
                Branch::Node(node) => *node,
                Branch::Data(at) => count + SEPARATOR_BYTES + at,
            };
            out.extend(record.to_be_bytes());
        }
        out.extend([0; SEPARATOR_BYTES as usize]);
        out.extend(&self.data);
        out.extend(METADATA_MARK);
        let metadata = Value::Map(vec![
            ("binary_format_major_version", Value::Short(2)),
            ("binary_format_minor_version", Value::Short(0)),
            ("build_epoch", Value::Long(1_795_000_000)),
            ("database_type", Value::Text(self.kind)),
            ("description", Value::Map(Vec::new())),
            ("ip_version", Value::Short(6)),
            ("languages", Value::NoList),
            ("node_count", Value::Whole(count)),
            ("record_size", Value::Short(32)),
        ]);
        metadata.write(&mut out);
        out
    }
}
