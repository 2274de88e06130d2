//! An address and the methods that it takes: every other one is answered with a problem that names them.

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, Handler, HttpRequest, Resource, Responder, ResponseError as _, web};

use super::problem::Problem;

/// One address.
pub(super) struct Address {
    resource: Resource,
    methods: Vec<Method>,
}

/// An address that takes nothing yet.
pub(super) fn at(path: &str) -> Address {
    Address {
        resource: web::resource(path),
        methods: Vec::new(),
    }
}

macro_rules! methods {
    ($($name:ident = $method:ident;)*) => {$(
        #[doc = concat!("Takes ", stringify!($method), ".")]
        pub(super) fn $name<F, Args>(self, handler: F) -> Self
        where
            F: Handler<Args>,
            Args: FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            self.taking(Method::$method, handler)
        }
    )*};
}

impl Address {
    methods! {
        get = GET;
        post = POST;
        put = PUT;
        patch = PATCH;
        delete = DELETE;
    }

    fn taking<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.methods.push(method.clone());
        self.resource = self.resource.route(web::method(method).to(handler));
        self
    }
}

impl HttpServiceFactory for Address {
    fn register(self, config: &mut AppService) {
        let names: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        let allowed = HeaderValue::from_str(&names.join(", ")).expect("names of methods are plain");
        let refuse = move |request: HttpRequest| {
            let detail = format!("{} is not possible here.", request.method());
            let mut answer = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).error_response();
            answer.headers_mut().insert(ALLOW, allowed.clone());
            std::future::ready(answer)
        };
        self.resource.default_service(web::to(refuse)).register(config);
    }
}
