"""The base of every view: one transaction as the caller, idempotent writes, problems as answers."""

from collections.abc import Callable
from typing import Any, Final

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.api.parsing import is_dry_run
from marketplace.api.rendering import OrjsonRenderer
from marketplace.kernel import clock
from marketplace.kernel.actors import Actor, as_actor
from marketplace.kernel.idempotency import Answer, check_key, find_answer, hash_request, store_answer
from marketplace.tenants.access import require_permission

HEADER: Final = "Idempotency-Key"


class ResourceView(APIView):
    """Translates: parse, one call as the actor, render."""

    renderer_classes = (OrjsonRenderer,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Read the body before anything else, so that one that is too large is refused first and its hash can be taken."""
        _ = request._request.body  # noqa: SLF001 - DRF has no public way to read the raw body before it is parsed
        super().initial(request, *args, **kwargs)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: FBT001, FBT002 - DRF's
        """JSON for whoever takes it; only other wishes are weighed one by one."""
        wanted = request.headers.get("Accept", "*/*")
        if wanted in ("*/*", "application/json"):
            return OrjsonRenderer(), OrjsonRenderer.media_type
        return super().perform_content_negotiation(request, force)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Private answers are never stored by anybody."""
        response.headers.setdefault("Cache-Control", "no-store")
        return super().finalize_response(request, response, *args, **kwargs)

    def reading(self, request: Request, permission: str, read: Callable[[Actor], Any]) -> Response:
        """Answer a GET with what `read` returns, in one transaction as the caller."""
        actor = actor_of(request)
        with as_actor(actor):
            require_permission(actor=actor, permission=permission)
            return Response(read(actor))

    def writing(
        self,
        request: Request,
        write: Callable[[Actor], Answer],
        *,
        without_secrets: Callable[[Any], Any] = lambda body: body,
        can_dry_run: bool = False,
    ) -> Response:
        """Answer a write: replay a stored answer, or act and store the answer in the same transaction.

        Args:
            without_secrets: What is stored of the body for replay.
            can_dry_run: Whether `?dry_run=true` acts and takes everything back.
        """
        actor = actor_of(request)
        raw = request._request  # noqa: SLF001 - the raw body was read in `initial`
        given = request.headers.get(HEADER)
        key = check_key(given) if given is not None else None
        digest = hash_request(method=raw.method or "", path=raw.get_full_path(), body=raw.body)
        if can_dry_run and is_dry_run(request):
            return _respond(_try_out(actor, write), is_replay=False)
        with as_actor(actor):
            stored = _stored(actor, key, digest)
            if stored is not None:
                return _respond(stored, is_replay=True)
            answer = write(actor)
            if key is not None:
                kept = Answer(status=answer.status, body=without_secrets(answer.body), headers=answer.headers)
                store_answer(tenant_id=actor.tenant_scope, key=key, request_hash=digest, answer=kept, now=clock.now())
        return _respond(answer, is_replay=False)


class _TakenBack(Exception):
    """Ends the transaction of a dry run."""


def _try_out(actor: Actor, write: Callable[[Actor], Answer]) -> Answer:
    """What `write` would answer; its transaction is rolled back."""
    answers: list[Answer] = []
    try:
        with as_actor(actor):
            answers.append(write(actor))
            raise _TakenBack
    except _TakenBack:
        return answers[0]


def _stored(actor: Actor, key: str | None, digest: bytes) -> Answer | None:
    return None if key is None else find_answer(tenant_id=actor.tenant_scope, key=key, request_hash=digest)


def actor_of(request: Request) -> Actor:
    """The authenticated caller's actor; ApiKeyAuthentication made it."""
    caller: Any = request.user
    actor: Actor = caller.actor
    return actor


def _respond(answer: Answer, *, is_replay: bool) -> Response:
    headers = {**answer.headers, **({"Idempotent-Replayed": "true"} if is_replay else {})}
    return Response(answer.body, status=answer.status, headers=headers)
