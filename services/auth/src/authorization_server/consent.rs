//! The page on which a person lets a program act, or does not.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use bennu_access::Principal;

use super::place::Place;
use super::request::{AuthorizationRequest, Parameters};
use crate::page::{Text, page};

/// Says who would act for whom, and where.
pub fn consent_page(
    place: &Place<'_>,
    principal: &Principal,
    asked: &AuthorizationRequest,
    parameters: &Parameters,
) -> HttpResponse {
    let name = asked.client.name.as_deref().unwrap_or(&asked.client.id);
    let warning = if asked.client.is_first_party {
        ""
    } else {
        "<p>It registered itself, and anybody can use this name. Go on only if it was you who began this.</p>"
    };
    let body = format!(
        "<p><b>{}</b> asks to act in your name, <b>{}</b>, with all that you may do.</p>{warning}\
         <p>The answer goes to {}.</p>\
         <form method=\"post\" action=\"{}\">{}\
         <button name=\"approved\" value=\"true\">Let it act</button>\
         <button name=\"approved\" value=\"false\">Refuse</button></form>",
        Text(name),
        Text(&principal.parts().name),
        Text(&asked.reply.to.described()),
        Text(&place.path("/oauth2/authorize/decision")),
        hidden_fields(parameters),
    );
    page(StatusCode::OK, "Let a program act?", &body)
}

/// What the program asked for, to come with the decision.
fn hidden_fields(parameters: &Parameters) -> String {
    let mut html = String::new();
    for (name, value) in parameters.fields() {
        let _ = write!(html, r#"<input type="hidden" name="{name}" value="{}">"#, Text(value));
    }
    html
}
