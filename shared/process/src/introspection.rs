//! `bennu.v1.Introspection`, as those call it who ask who is behind a credential.

use std::time::Duration;

use async_trait::async_trait;
use bennu_access::{
    Credential, CredentialError, CredentialLookup, KeyTraffic, Principal, PrincipalParts, ProjectLimit, Role,
};
use bennu_domain::ids::{ProjectId, TenantId, UserId};
use bennu_domain::limits::RateLimits;
use bennu_proto::{self as proto, introspect_response};
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// The path of the one method.
pub const INTROSPECT: &str = "/bennu.v1.Introspection/Introspect";

/// A verification is one look into a database; callers wait for it.
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks the service that verifies credentials. Cheap to clone.
#[derive(Clone)]
pub struct RemoteCredentials {
    channel: Channel,
}

impl RemoteCredentials {
    /// `http://host:port`; connects when it is first asked, and again whenever the connection is lost.
    pub fn connect(url: &str) -> Result<Self, tonic::transport::Error> {
        let endpoint =
            Endpoint::from_shared(url.to_owned())?.timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT);
        Ok(Self { channel: endpoint.connect_lazy() })
    }
}

#[async_trait]
impl CredentialLookup for RemoteCredentials {
    async fn principal(&self, token: &str, tenant: Option<&str>) -> Result<Principal, CredentialError> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| CredentialError::Unavailable(error.to_string()))?;
        let question = proto::IntrospectRequest {
            token: token.to_owned(),
            tenant: tenant.unwrap_or_default().to_owned(),
        };
        let codec: ProstCodec<proto::IntrospectRequest, proto::IntrospectResponse> = ProstCodec::default();
        let path = PathAndQuery::from_static(INTROSPECT);
        let answer =
            grpc.unary(Request::new(question), path, codec).await.map_err(|status| refusal(&status))?;
        read(answer.into_inner())
            .ok_or_else(|| CredentialError::Unavailable("the answer cannot be read".to_owned()))
    }
}

/// As [`status`] wrote it.
fn refusal(status: &Status) -> CredentialError {
    let expired = CredentialError::Expired;
    match status.code() {
        Code::Unauthenticated if status.message() == expired.to_string() => expired,
        Code::Unauthenticated => CredentialError::Invalid,
        Code::NotFound => CredentialError::UnknownTenant,
        Code::PermissionDenied => CredentialError::Suspended,
        _ => CredentialError::Unavailable(status.message().to_owned()),
    }
}

/// A refusal as the status of an answer.
pub fn status(error: &CredentialError) -> Status {
    let code = match error {
        CredentialError::Invalid | CredentialError::Expired => Code::Unauthenticated,
        CredentialError::UnknownTenant => Code::NotFound,
        CredentialError::Suspended => Code::PermissionDenied,
        CredentialError::Unavailable(_) => Code::Unavailable,
    };
    Status::new(code, error.to_string())
}

/// A principal as the answer that tells of it.
pub fn write(principal: &Principal) -> proto::IntrospectResponse {
    use introspect_response::Credential as Written;
    let parts = principal.parts();
    let credential = match &parts.credential {
        Credential::Anonymous => None,
        Credential::Session(id) => Some(Written::Session(id.clone())),
        Credential::UserKey(name) => Some(Written::UserKey(name.to_string())),
        Credential::SystemKey(name) => Some(Written::SystemKey(name.to_string())),
        Credential::AdminSecret => Some(Written::AdminSecret(true)),
    };
    proto::IntrospectResponse {
        tenant: parts.tenant.0,
        user: parts.user.map_or(0, |user| user.0),
        name: parts.name.clone(),
        role: parts.role.to_string(),
        manages_platform: parts.manages_platform,
        traffic: parts.traffic.as_str().to_owned(),
        project: parts
            .project
            .as_ref()
            .map(|limit| proto::ProjectLimit { id: limit.id.0, name: limit.name.clone() }),
        credential,
        tenant_rates: Some(write_rates(&parts.tenant_rates)),
        key_rates: Some(write_rates(&parts.key_rates)),
        storage_full: parts.storage_full,
    }
}

fn write_rates(rates: &RateLimits) -> proto::Rates {
    proto::Rates { spans: rates.spans_per_second, bytes: rates.bytes_per_second }
}

fn read_rates(rates: Option<proto::Rates>) -> RateLimits {
    let proto::Rates { spans, bytes } = rates.unwrap_or_default();
    RateLimits { spans_per_second: spans, bytes_per_second: bytes }
}

fn read(answer: proto::IntrospectResponse) -> Option<Principal> {
    use introspect_response::Credential as Written;
    let credential = match answer.credential? {
        Written::Session(id) => Credential::Session(id),
        Written::UserKey(name) => Credential::UserKey(name.parse().ok()?),
        Written::SystemKey(name) => Credential::SystemKey(name.parse().ok()?),
        Written::AdminSecret(_) => Credential::AdminSecret,
    };
    let role: Role = answer.role.parse().ok()?;
    Some(Principal::verified(PrincipalParts {
        tenant: TenantId(answer.tenant),
        credential,
        user: (answer.user != 0).then_some(UserId(answer.user)),
        name: answer.name,
        role,
        manages_platform: answer.manages_platform,
        traffic: KeyTraffic::from_name(&answer.traffic)?,
        project: answer.project.map(|limit| ProjectLimit { id: ProjectId(limit.id), name: limit.name }),
        tenant_rates: read_rates(answer.tenant_rates),
        key_rates: read_rates(answer.key_rates),
        storage_full: answer.storage_full,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_and_refusals_travel_unchanged() {
        let parts = PrincipalParts {
            tenant: TenantId(7),
            credential: Credential::UserKey("0123456789ab".parse().unwrap()),
            user: Some(UserId(3)),
            name: "ada".to_owned(),
            role: Role::Member,
            manages_platform: false,
            traffic: KeyTraffic::IngestOnly,
            project: Some(ProjectLimit { id: ProjectId(5), name: "p".to_owned() }),
            tenant_rates: RateLimits { spans_per_second: Some(1), bytes_per_second: None },
            key_rates: RateLimits { spans_per_second: None, bytes_per_second: Some(0) },
            storage_full: true,
        };
        let no_key = PrincipalParts {
            credential: Credential::Session("s".to_owned()),
            user: None,
            project: None,
            manages_platform: true,
            ..parts.clone()
        };
        for principal in [parts, no_key].map(Principal::verified) {
            assert_eq!(read(write(&principal)), Some(principal));
        }
        assert_eq!(read(write(&Principal::of_open_deployment())), None);
        for error in [
            CredentialError::Invalid,
            CredentialError::Expired,
            CredentialError::UnknownTenant,
            CredentialError::Suspended,
        ] {
            assert_eq!(refusal(&status(&error)), error);
        }
    }
}
