from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from .exchange import Sees, Simulation
from .fixed_point import FixedPointAggregation, Sum

if TYPE_CHECKING:
    import numpy as np

    from .randomness import Randomness


class Paillier(FixedPointAggregation):
    """Paillier: clients encrypt their updates with one common key, and the server adds them by multiplying ciphertexts
    that it cannot read (Phong et al., IEEE TIFS 2018).

    Many entries are packed into one ciphertext. All clients hold the secret key, made beforehand, which is not counted:
    one of them who colludes with the server opens every update. It is slow: meant for small models.
    """

    name: Literal["paillier"] = "paillier"
    key_bits: Literal[2048, 3072] = 2048
    """Length of the key: 2048 bits are as hard to break as a cipher with 112 bits, 3072 as one with 128."""

    rounds: ClassVar[tuple[str, ...]] = ("send encrypted updates", "decrypt the sum")
    sending: ClassVar[int] = 0
    sees: ClassVar[Sees] = "ciphertexts"

    def modulus(self, clients: int) -> int:
        """What one slot of a packed plaintext holds."""
        return 1 << 8 * self.slot_bytes(clients)

    def opened_by(self, clients: int) -> int:
        """One client that colludes with the server gives it the key to all updates."""
        return 1

    def slot_bytes(self, clients: int) -> int:
        """Room for the sum of so many entries and one bit more, in whole bytes."""
        guard = (clients - 1).bit_length() + 1
        return -(-(self.bits + guard) // 8)

    def add(
        self, words: Sequence[np.ndarray], simulation: Simulation, randomness: Randomness, models: Sequence[bytes]
    ) -> Sum:
        """Two rounds. The encryption draws on the operating system's randomness; the sum does not depend on it."""
        import numpy as np

        from .paillier_keys import ClientKey, ServerKey

        senders, readers = simulation.present(0), simulation.present(1)
        simulation.enough(senders, 1, 0)
        simulation.enough(readers, 1, 1)
        key, length = ClientKey(self.key_bits, self.slot_bytes(len(words))), len(words[0])
        server, uploads = ServerKey(key.public), {}
        for u in senders:
            with simulation.client(u):
                sealed = key.encrypt(words[u])
            simulation.up(u, sealed)
            uploads[u] = np.frombuffer(sealed[0], np.uint8)
            with simulation.server():
                server.add(sealed)
        with simulation.server():
            total = server.total()
        simulation.down(readers, total)
        with simulation.client(*readers):
            result = key.decrypt(total)[:length]
        return Sum(result, tuple(senders), uploads)
