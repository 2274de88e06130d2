//! A listener that can be closed without refusing anybody whom it has let in.
//!
//! The system completes handshakes by itself and resets whoever waits in its queue when the socket is closed. So before a
//! listener is closed it is made to let nobody in any more, and hands out whom it has. Whoever knocks meanwhile is not
//! answered, knocks again after a second, and is refused then: a refusal that every client and proxy understands, because
//! nothing was sent.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the system keeps for the listener, at most.
const BACKLOG: i32 = 2048;

/// A second handle of a listener's socket.
#[derive(Debug)]
pub(super) struct Gate(#[cfg_attr(not(target_os = "linux"), allow(dead_code))] TcpListener);

/// Binds a listener and its gate.
pub(super) fn bind(address: SocketAddr) -> io::Result<(TcpListener, Gate)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart finds its port although connections of the process before are still being wound up.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
    let gate = Gate(listener.try_clone()?);
    Ok((listener, gate))
}

impl Gate {
    /// Begins no connection any more; those that were begun are completed. Where the system cannot do that, some may be
    /// reset when the listener is closed.
    #[cfg(target_os = "linux")]
    pub(super) fn shut(&self) {
        use socket2::{SockFilter, SockRef};
        /// Byte of a TCP header that holds its flags, and the flag of a first packet.
        const FLAGS: u32 = 13;
        const SYN: u32 = 2;
        // Load the flags; with SYN drop the packet (keep 0 bytes of it), else keep all of it.
        let only_known = [
            SockFilter::new(0x30, 0, 0, FLAGS),
            SockFilter::new(0x45, 0, 1, SYN),
            SockFilter::new(0x06, 0, 0, 0),
            SockFilter::new(0x06, 0, 0, u32::MAX),
        ];
        if let Err(error) = SockRef::from(&self.0).attach_filter(&only_known) {
            tracing::warn!(%error, "a listener could not be shut before it is closed");
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn shut(&self) {}
}
