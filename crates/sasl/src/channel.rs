//! What the transport can attest: how strong it is, who the client is, and what an exchange may be bound to. How the
//! data are got from TLS is the matter of whoever has the connection.

use std::sync::Arc;

/// The transport below an exchange. Every exchange over it has a copy, which costs next to nothing.
/// RFC 4422, section 2, calls it a lower layer.
#[derive(Debug, Clone, Default)]
pub struct Channel {
    ssf: u32,
    identity: Option<Arc<str>>,
    bindings: Arc<Vec<ChannelBinding>>,
}

/// Something that names one TLS connection, and which both its ends know (RFC 5056).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelBinding {
    /// Which sort.
    pub kind: BindingKind,
    /// The data: 32 octets of `tls-exporter`, a hash of the certificate for `tls-server-end-point`.
    pub data: Vec<u8>,
}

/// The registered sorts of channel binding. RFC 5056, section 7, has the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BindingKind {
    /// RFC 9266: 32 octets of the exporter with the label `EXPORTER-Channel-Binding` and an empty context.
    TlsExporter,
    /// RFC 5929, section 4: the hash of the server's certificate.
    TlsServerEndPoint,
    /// RFC 5929, section 3: the first Finished message. Not defined for TLS 1.3, broken in 1.2 without the extended master
    /// secret: understood where the transport names it, and never a reason to offer or to choose a mechanism.
    TlsUnique,
}

impl Channel {
    /// No layer below: whoever is on the way reads along.
    pub fn clear() -> Self {
        Self::default()
    }

    /// A layer of a strength, in bits of SSF (of TLS: the bits of its cipher).
    pub fn layered(ssf: u32) -> Self {
        Self { ssf, ..Self::default() }
    }

    /// With an identity that the layer has verified, for EXTERNAL. RFC 4422, appendix A.
    #[must_use]
    pub fn with_identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into().into());
        self
    }

    /// With something that an exchange may be bound to. RFC 5056, section 2.1.
    #[must_use]
    pub fn with_binding(mut self, kind: BindingKind, data: impl Into<Vec<u8>>) -> Self {
        let bindings = Arc::make_mut(&mut self.bindings);
        bindings.retain(|binding| binding.kind != kind);
        bindings.push(ChannelBinding { kind, data: data.into() });
        bindings.sort_by_key(|binding| binding.kind);
        self
    }

    /// Its strength in bits of SSF; 0 without a layer. The measure is Cyrus SASL's, not an RFC's.
    pub fn ssf(&self) -> u32 {
        self.ssf
    }

    /// The identity that it attests. RFC 4422, appendix A.
    pub fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// The binding of a sort. RFC 5802, section 5.1, has the client name one.
    pub fn binding(&self, kind: BindingKind) -> Option<&ChannelBinding> {
        self.bindings.iter().find(|binding| binding.kind == kind)
    }

    /// The binding that an exchange is bound to when nobody asks for another: the exporter's, else the certificate's
    /// (RFC 9266, section 3); never `tls-unique`.
    pub fn best_binding(&self) -> Option<&ChannelBinding> {
        self.bindings.iter().find(|binding| binding.kind != BindingKind::TlsUnique)
    }
}

impl BindingKind {
    /// Every sort, the preferred first.
    pub const ALL: [Self; 3] = [Self::TlsExporter, Self::TlsServerEndPoint, Self::TlsUnique];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TlsExporter => "tls-exporter",
            Self::TlsServerEndPoint => "tls-server-end-point",
            Self::TlsUnique => "tls-unique",
        }
    }

    /// The sort of a name, which is compared octet by octet (RFC 5056, section 7).
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exporter_is_preferred_and_tls_unique_never_chosen() {
        let unique = Channel::layered(128).with_binding(BindingKind::TlsUnique, [1]);
        assert_eq!(unique.best_binding(), None);
        let end_point = unique.with_binding(BindingKind::TlsServerEndPoint, [2]);
        assert_eq!(end_point.best_binding().unwrap().data, [2]);
        let exporter = end_point.with_binding(BindingKind::TlsExporter, [3]);
        assert_eq!(exporter.best_binding().unwrap().data, [3]);
        assert_eq!(exporter.binding(BindingKind::TlsUnique).unwrap().data, [1]);
    }
}
