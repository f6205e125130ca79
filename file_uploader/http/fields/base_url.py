"""The URL at which a client has this service: scheme, authority and path prefix of all our URLs.

They are decided here and nowhere else, by what a request says of itself (RFC 9110, 7.1), and by
what a trusted proxy says of the request that it was sent:

* ``X-Forwarded-Proto``, ``X-Forwarded-Host``, and ``X-Forwarded-Port`` for a host without a port;
  where none of these is there, ``Forwarded`` (RFC 7239). So a proxy that speaks one of the two
  languages need not know the other, in which its client may have spoken.
* ``X-Forwarded-Prefix``: what proxies have taken off the path.

Of several values the first counts: each proxy appends its own, and the first one's client is the
client. Prefixes are taken off one after the other, so all of them count. A value that cannot be
read is refused: believed, it would be in a URL; ignored, nobody would learn why a URL is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

from file_uploader import root_path
from file_uploader.errors import InvalidHeader

from . import target
from .headers import Fields, combined, elements

DEPENDS_ON = (
    *("Forwarded", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix"),
    "X-Forwarded-Proto",
)
"""The request headers that a base URL may depend on, besides Host."""

KEY = "file_uploader.base_url"
"""Where a scope has it: a `BaseURL`, or the `Misaddressed` that tells why there is none."""

_READ = frozenset(name.lower().encode() for name in DEPENDS_ON)
# What begins a WebSocket is a request of HTTP, of which some proxies say this.
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
# As what a proxy was asked at by another one, they say nothing of the client's URL.
_NO_PORTS = (None, "80", "443")
_LAST_PORT = 65_535

# RFC 3986, 3.2.2, but for the comma, by which two hosts would be joined.
_CHARACTER = r"[A-Za-z0-9._~!$&'()*+;=-]"
_AUTHORITY = re.compile(
    rf"(?:(?:{_CHARACTER}|%[0-9A-Fa-f]{{2}}){{1,255}}"
    rf"|\[(?P<v6>[0-9A-Fa-f:.]{{2,45}})\]|\[v[0-9A-Fa-f]{{1,8}}\.(?:{_CHARACTER}|:){{1,255}}\])"
    r"(?::(?P<port>[0-9]{0,5}))?"
)
_ENDS_IN_PORT = re.compile(r":[0-9]+\Z")
# RFC 7239, 4; a value may be more than a token, such as an address that was not quoted.
_PARAMETER = re.compile(
    r"[ \t]*(?:(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)="
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^;,"\s]*))[ \t]*)?(?:[;,]|\Z)'
)
_ESCAPED = re.compile(r"\\(.)")


class Misaddressed(Exception):
    """A request does not say where it was sent (RFC 9112, 3.2), or says what cannot be.

    The server lets it by; a scope has it until it can be answered.
    """


@dataclass(frozen=True, slots=True)
class BaseURL:
    """What comes before each path of ours. ``authority``: None where the client names no host."""

    scheme: str
    authority: str | None
    prefix: str = ""

    def reference(self, path: str) -> str:
        """Where this client finds a path of ours: a URL, or a path where it names no host."""
        below = f"{self.prefix}{path}"
        return below if self.authority is None else f"{self.scheme}://{self.authority}{below}"

    def url(self, path: str) -> str:
        """Where anybody finds a path of ours. Raises `InvalidHeader` where no host is named."""
        if self.authority is None:
            raise InvalidHeader("Send Host: it is a part of the URL that you ask for.")
        return self.reference(path)


_base = lru_cache(1024)(BaseURL)
"""As a rule all requests have the same one."""


class TrustedProxies:
    """Whose word is taken, by IP addresses and networks; ``*`` stands for everybody.

    Who comes by a Unix domain socket is always one of them.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self._everybody = "*" in addresses
        self._networks = [ip_network(each) for each in addresses if each != "*"]
        self._contain = lru_cache(1024)(self._look_for)

    def sent(self, scope: Scope) -> bool:
        """Whether a request comes from one of them."""
        if self._everybody:
            return True
        if scope["client"] is not None:
            return self._contain(scope["client"][0])
        # A TCP client that is gone has no address any more, but its socket here has a port.
        return scope["server"] is None or not isinstance(scope["server"][1], int)

    def _look_for(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address):
            # So does a socket for both versions show an IPv4 address.
            address = address.ipv4_mapped or address
        return any(address in network for network in self._networks)


class BaseURLs:
    """Finds the base URL of each request. ``root`` is its prefix where no proxy tells another."""

    def __init__(self, root: str, proxies: TrustedProxies) -> None:
        self._root = root
        self._raw_root = root.encode()
        self._proxies = proxies

    def located(self, scope: Scope) -> Scope:
        """The scope of a request with its base URL, and with the path that is below that."""
        absolute, path = None, scope["raw_path"]
        if not path.startswith(b"/"):
            absolute, path = target.split(path)
        # A proxy may have taken the root off already.
        if self._root and (path == self._raw_root or path.startswith(self._raw_root + b"/")):
            path = path.removeprefix(self._raw_root) or b"/"
        located = {**scope, "raw_path": path}
        try:
            base = self._find(scope, absolute)
        except Misaddressed as error:
            return {**located, KEY: error}
        located.update(scheme=base.scheme, root_path=base.prefix)
        located[KEY] = base
        return located

    def _find(self, scope: Scope, absolute: tuple[str, str] | None) -> BaseURL:
        hosts, told = [], False
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name in _READ:
                told = True
        scheme, other = absolute or (scope["scheme"], None)
        named = _host(hosts, other, required=scope["http_version"] == "1.1")
        base = _base(scope["scheme"], named, self._root)
        if absolute is None and not told:
            return base
        trusted = self._proxies.sent(scope)
        # RFC 9110, 7.4.
        if scheme == "https" != base.scheme and not trusted:
            raise Misaddressed("This connection is not secure, and a URL with https asks that.")
        if scheme != base.scheme:
            base = replace(base, scheme=scheme)
        return _as_told(Fields(scope["headers"]), base) if trusted and told else base


@lru_cache(1024)
def authority(text: str) -> str:
    """A host, and its port if there is one (RFC 3986, 3.2.2 and 3.2.3). Raises `ValueError`."""
    match = _AUTHORITY.fullmatch(text)
    if match is None or int(match["port"] or 0) > _LAST_PORT:
        raise ValueError("this is no host, with or without a port")
    if match["v6"] is not None:
        IPv6Address(match["v6"])
    return text.removesuffix(":")


def _host(hosts: Sequence[bytes], other: str | None, *, required: bool) -> str | None:
    """``other``, which the target names, else Host: right in any case (RFC 9112, 3.2)."""
    if len(hosts) > 1 or (not hosts and required):
        raise Misaddressed("Send one Host header (RFC 9112, section 3.2).")
    host = hosts[0].decode("latin-1") if hosts else None
    try:
        if other is None:
            return None if host is None else authority(host)
        if host:
            authority(host)
        return authority(other)
    except ValueError:
        raise Misaddressed(
            "Host, and a target that is a URL, have to name a host: by its name, or its address"
            " (IPv6 in brackets), and its port if it has one (RFC 9112, section 3.2)."
        ) from None


def _as_told(headers: Headers, base: BaseURL) -> BaseURL:
    """What a trusted proxy tells, and the rest of ``base``."""
    said = {name: elements(combined(headers, name)) for name in DEPENDS_ON}
    proto, host, port = (
        next(iter(said[f"X-Forwarded-{each}"]), None) for each in ("Proto", "Host", "Port")
    )
    try:
        if proto is host is port is None:
            parameters = _parameters(combined(headers, "Forwarded") or "")
            proto, host = parameters.get("proto"), parameters.get("host")
        if proto is not None:
            base = replace(base, scheme=_SCHEMES[proto.lower()])
        if host is not None:
            named = authority(host)
            if port not in _NO_PORTS and not _ENDS_IN_PORT.search(named):
                named = authority(f"{named}:{port}")
            base = replace(base, authority=named)
        if prefixes := said["X-Forwarded-Prefix"]:
            joined = "".join(each.rstrip("/") for each in prefixes)
            base = replace(base, prefix=root_path.check(joined) if joined else "")
    except (KeyError, ValueError):
        raise Misaddressed(
            f"The proxy tells what cannot be in a URL, in one of {', '.join(DEPENDS_ON)}."
        ) from None
    return base


def _parameters(forwarded: str) -> dict[str, str]:
    """The parameters of ``Forwarded``, of each its first value. Raises `ValueError`."""
    found: dict[str, str] = {}
    place = 0
    while place < len(forwarded):
        match = _PARAMETER.match(forwarded, place)
        if match is None:
            raise ValueError("this is no Forwarded")
        if (name := match["name"]) is not None:
            quoted = match["quoted"]
            value = match["plain"] if quoted is None else _ESCAPED.sub(r"\1", quoted)
            found.setdefault(name.lower(), value)
        place = match.end()
    return found
