//! One connection of a caller: each request is named, judged, forwarded and answered in turn.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::{net::TcpStream, time::sleep};

use super::{
    Fault, Moment, Shared,
    call::Call,
    http1::{self, Message},
    process,
};

/// The connection to the service, kept for the next request.
struct Service {
    target: SocketAddr,
    stream: Option<(TcpStream, BytesMut)>,
}

impl Service {
    async fn exchange(&mut self, request: &Message) -> io::Result<Message> {
        // The service may have closed a connection that was idle; nothing has had an effect then.
        if let Some((mut stream, mut buffer)) = self.stream.take()
            && let Ok(answer) = exchange(&mut stream, &mut buffer, request).await
        {
            self.stream = Some((stream, buffer));
            return Ok(answer);
        }
        let mut stream = TcpStream::connect(self.target).await?;
        stream.set_nodelay(true)?;
        let mut buffer = BytesMut::new();
        let answer = exchange(&mut stream, &mut buffer, request).await?;
        let closes = answer
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.stream = (!closes).then_some((stream, buffer));
        Ok(answer)
    }
}

async fn exchange(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    request: &Message,
) -> io::Result<Message> {
    request.send(stream).await?;
    http1::answer(stream, buffer, request.request().0).await
}

/// Serves a connection from its first request to its end.
pub(super) async fn serve(
    mut client: TcpStream,
    (peer, here): (SocketAddr, SocketAddr),
    target: SocketAddr,
    shared: &Arc<Shared>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut service = Service {
        target,
        stream: None,
    };
    let mut buffer = BytesMut::new();
    let mut caller = None;
    while let Some(request) = http1::request(&mut client, &mut buffer).await? {
        let owner = caller.get_or_insert_with(|| process::caller(peer, here));
        let call = Call::read(&request, owner.clone());
        let judge = shared.arrived(&call);
        let fault = judge.judge(&call);
        let (before, after) = match &fault {
            Fault::Kill(Moment::Before)
            | Fault::Drop(Moment::Before)
            | Fault::Answer(Moment::Before, ..)
            | Fault::Say(Moment::Before, ..)
            | Fault::Silence(Moment::Before, _) => (Some(&fault), None),
            Fault::None | Fault::Delay(_) | Fault::Instead(_) | Fault::Rival(_) => (None, None),
            _ => (None, Some(&fault)),
        };
        if let Some(fault) = before {
            match inflict(fault, &call, shared).await {
                Some(answer) => answer.send(&mut client).await?,
                None => return Ok(()),
            }
            continue;
        }
        let answer = match fault.clone() {
            Fault::Delay(time) => {
                sleep(time).await;
                service.exchange(&request).await?
            }
            Fault::Rival(body) => {
                let rival = request.clone().without_checksums().with_body(body);
                service.exchange(&rival).await?;
                service.exchange(&request).await?
            }
            Fault::Instead(body) => service.exchange(&request.with_body(body)).await?,
            _ => service.exchange(&request).await?,
        };
        judge.answered(&call, answer.status());
        match after {
            None => answer.send(&mut client).await?,
            Some(Fault::Late(time)) => {
                sleep(*time).await;
                answer.send(&mut client).await?;
            }
            Some(fault) => match inflict(fault, &call, shared).await {
                Some(answer) => answer.send(&mut client).await?,
                None => return Ok(()),
            },
        }
    }
    Ok(())
}

/// Does what the fault says; `None` ends the connection.
async fn inflict(fault: &Fault, call: &Call, shared: &Arc<Shared>) -> Option<Message> {
    match fault {
        Fault::Kill(moment) => {
            let (shared, call, moment) = (Arc::clone(shared), call.clone(), *moment);
            let killed = tokio::task::spawn_blocking(move || shared.kill(&call, moment));
            let _ = killed.await;
            None
        }
        Fault::Answer(_, status, code) => {
            Some(Message::refusal(*status, code, "injected", call.is_json()))
        }
        Fault::Say(_, status, code, message) => {
            Some(Message::refusal(*status, code, message, call.is_json()))
        }
        Fault::Silence(_, time) => {
            sleep((*time).min(Duration::from_secs(3_600))).await;
            None
        }
        _ => None,
    }
}
