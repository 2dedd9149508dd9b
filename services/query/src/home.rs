//! `GET /`: a page that says what is running here and where to send traces.

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, web};
use bennu_kit::config::Config;
use bennu_kit::http::IMITATED_VERSION;

const PAGE: &str = include_str!("home.html");

/// Adds the route.
pub fn routes(page: web::Data<HomePage>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config.service(web::resource("/").app_data(page).get(serve_page));
    }
}

/// The page but for the address under which a visitor came.
pub struct HomePage {
    html: String,
}

impl HomePage {
    /// `version` is that of the program; `grpc_port` where clients reach OTLP over gRPC.
    pub fn new(config: &Config, version: &str, grpc_port: u16) -> Self {
        let html = PAGE
            .replace("{{version}}", version)
            .replace("{{imitated}}", IMITATED_VERSION)
            .replace("{{grpc_port}}", &grpc_port.to_string())
            .replace("{{root}}", &escape(config.root_path.as_str()));
        Self { html }
    }
}

async fn serve_page(request: HttpRequest, page: web::Data<HomePage>) -> HttpResponse {
    let connection = request.connection_info();
    let host = connection.host();
    // What follows the last colon of a bare IPv6 address is no port: `[::1]`.
    let (name, _) =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).unwrap_or((host, ""));
    let html = page
        .html
        .replace("{{scheme}}", &escape(connection.scheme()))
        .replace("{{host}}", &escape(host))
        .replace("{{name}}", &escape(name));
    HttpResponse::Ok().content_type(ContentType::html()).body(html)
}

/// Header values end up in the page.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
