from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..component import Component
from .findings import RefusedError

if TYPE_CHECKING:
    from .findings import Inspection
    from .received import Received


class Verification(Component):
    """Client verification: the client looks for signs of tampering in every model before it trains on it.

    Thirteen checks: of the weights, of what the own images do in the network, and of the update before it is sent. A
    model that hides its tampering better than the known attacks can pass all of them.
    """

    policy: Literal["off", "tell", "refuse", "strict"] = "off"
    """What the client does: no checks ("off"), check and tell but train all the same ("tell"), refuse what fails a
    check ("refuse"), or also what is merely unusual, which honest models often are once they are trained ("strict")."""
    canary: bool = True
    """Before it sends an update, the client tries itself to read its images off it in closed form. A network whose
    first layer is fully connected can give images away without any tampering; this refuses such updates, too."""

    def inspect(self, received: Received) -> Inspection:
        """What every check says: those of the model where ``received`` has no update yet, else that of the update."""
        from .detectors import DETECTORS
        from .findings import Inspection

        chosen = [d for d in DETECTORS if d.before_training == (received.update is None)]
        return Inspection(tuple((detector, detector.check(received)) for detector in chosen))

    def act_on(self, inspection: Inspection) -> None:
        """Raises RefusedError where the policy is to refuse what was found."""
        refused = {"refuse": inspection.fired("fail"), "strict": inspection.fired("fail", "warn")}
        if fired := refused.get(self.policy, ()):
            raise RefusedError(inspection, fired)
