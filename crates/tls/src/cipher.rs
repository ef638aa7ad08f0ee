//! Names and strengths of the ciphers: the registered names, where rustls has its own, and the bits of their keys.

use rustls::CipherSuite;

/// The registered name of a cipher and the bits of its key. One that is not in this table is worth nothing: it must not
/// pass for strong because nobody has looked at it yet.
pub(crate) fn name_and_bits(suite: CipherSuite) -> (&'static str, u32) {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => ("TLS_AES_128_GCM_SHA256", 128),
        CipherSuite::TLS13_AES_256_GCM_SHA384 => ("TLS_AES_256_GCM_SHA384", 256),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => ("TLS_CHACHA20_POLY1305_SHA256", 256),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => {
            ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 128)
        }
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => {
            ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 256)
        }
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 256)
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 128),
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 256),
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => {
            ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 256)
        }
        _ => ("unknown", 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cipher_of_the_provider_is_known() {
        for suite in rustls::crypto::ring::ALL_CIPHER_SUITES {
            assert!(name_and_bits(suite.suite()).1 >= 128, "{suite:?}");
        }
    }
}
