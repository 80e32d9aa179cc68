"""Who acts in a request."""

from lambdas.identity.user import User
from lambdas.postgres.audit_log import Actor
from lambdas.rest_api.application import Application


def actor_of(app: Application, user: User) -> Actor:
    """Give the user of the request at hand as the audit log names him."""
    return Actor(user.subject, app.resolver.current_event.request_context.request_id)
