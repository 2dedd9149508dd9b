//! How a directory proves who it is.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bennu_kit::config::LdapSettings;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// None where the certificates of the machine and no certificate of ours will do.
pub fn configuration(settings: &LdapSettings) -> anyhow::Result<Option<Arc<ClientConfig>>> {
    // The client takes the provider of the process. An error means that somebody has set one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if settings.authorities.is_none() && settings.client_certificate.is_none() {
        return Ok(None);
    }
    let builder = ClientConfig::builder().with_root_certificates(authorities(settings)?);
    let configuration = match &settings.client_certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let private = PrivateKeyDer::from_pem_file(key)
                .with_context(|| format!("BENNU_LDAP_TLS_CLIENT_KEY_FILE={}", key.display()))?;
            let certificates = certificates(certificate, "BENNU_LDAP_TLS_CLIENT_CERT_FILE")?;
            builder.with_client_auth_cert(certificates, private).context("BENNU_LDAP_TLS_CLIENT_CERT_FILE")?
        }
    };
    Ok(Some(Arc::new(configuration)))
}

fn authorities(settings: &LdapSettings) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let trusted = match &settings.authorities {
        Some(file) => certificates(file, "BENNU_LDAP_TLS_CA_CERT_FILE")?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    // Some certificates of a machine may be of a kind that is not known here.
    let (added, _) = roots.add_parsable_certificates(trusted);
    anyhow::ensure!(added > 0, "BENNU_LDAP_TLS_CA_CERT_FILE: there is no certificate of an authority");
    Ok(roots)
}

fn certificates(file: &Path, variable: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let context = || format!("{variable}={}", file.display());
    let read = CertificateDer::pem_file_iter(file).with_context(context)?;
    read.collect::<Result<_, _>>().with_context(context)
}
