//! A chat: a page, and rooms by name. Each room is a durable object, and hibernates with its sockets open.

mod limits;
mod protocol;
mod room;
#[cfg(test)]
mod tests;

use pairway::*;

#[event(fetch)]
async fn fetch(req: Request, env: Env, _ctx: Context) -> Result<Response> {
    let path: Vec<&str> = req.path().split('/').skip(1).collect();
    match path.as_slice() {
        [""] => page(),
        ["room", room] if limits::is_room(room) => page(),
        ["room", room, "socket"] if limits::is_room(room) => {
            let room = env.durable_object("ROOM")?.get_by_name(room)?;
            room.fetch_with_request(req).await
        }
        _ => Response::error("There is nothing here. Try /.", 404),
    }
}

/// The page, which loads nothing from elsewhere, and is told so.
fn page() -> Result<Response> {
    Response::from_html(include_str!("page.html"))?.with_header(
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
}
