import type { AgentOptions } from "node:https";
import type { PeerCertificate as NodePeerCertificate } from "node:tls";
import { DomainError } from "../kit/index.ts";
import type { KnownProcess } from "../domain/index.ts";
import { bytesEqual, parseCertificatesPem } from "../pki/index.ts";
import { contextOptions, type Identity } from "./identity.ts";
import type { LoadedTrust } from "./loaded-trust.ts";
import { describePeer, judgePeer, type Self } from "./peer.ts";

type Detailed = Parameters<typeof describePeer>[0];

/** TLS options of a caller that shows `identity` and accepts exactly the process `target`. */
export function mutualTls(of: {
  identity: Identity;
  trust: LoadedTrust;
  self: Self;
  target: KnownProcess;
  nowMs: () => number;
}): AgentOptions {
  return {
    ...contextOptions(of.identity, of.trust, "management"),
    ...acceptOnly({ ...of, expected: of.target.id, known: [of.target] }),
  };
}

/** TLS options of a caller without a certificate that accepts any Admin Node Manager of the trust document. */
export function adminServerTls(of: {
  trust: LoadedTrust;
  caller: "user" | "joiner" | "returning-host" | "relying-party";
  nowMs: () => number;
}): AgentOptions {
  return {
    ca: of.trust.anchorsPem("management"),
    minVersion: "TLSv1.3",
    ...acceptOnly({
      ...of,
      self: { role: of.caller, hostId: null },
      expected: null,
      known: of.trust.document.admins,
    }),
  };
}

interface Acceptance {
  readonly trust: LoadedTrust;
  readonly self: Self;
  readonly expected: KnownProcess["id"] | null;
  readonly known: readonly KnownProcess[];
  readonly nowMs: () => number;
}

function acceptOnly(of: Acceptance): AgentOptions {
  return {
    rejectUnauthorized: true,
    // Runs after the chain has verified; the identity counts, not the host name.
    checkServerIdentity: (_host: string, certificate: NodePeerCertificate) => {
      const peer = describePeer(certificate as Detailed, null);
      const verdict = judgePeer(peer, of.trust, {
        self: of.self,
        known: of.known,
        nowMs: of.nowMs(),
        peerIs: "server",
        expected: of.expected,
        probe: false,
      });
      return verdict.ok
        ? undefined
        : new DomainError("untrusted-server", `the server is refused: ${verdict.text}`, {
            context: { refusal: verdict.refusal },
          });
    },
  };
}

/**
 * TLS options of a caller that knows a CA and nothing else (a trust store file, or a fingerprint
 * that a person confirmed): the server's chain must end there, and state the Admin Node Manager's role.
 */
export function knownCaTls(caPem: readonly string[]): AgentOptions {
  return {
    ca: [...caPem],
    minVersion: "TLSv1.3",
    rejectUnauthorized: true,
    checkServerIdentity: (_host: string, certificate: NodePeerCertificate) => {
      const peer = describePeer(certificate as Detailed, null);
      if (peer.roles.includes("anm") && !peer.isProbe) return undefined;
      return new DomainError(
        "untrusted-server",
        "the server's certificate is not that of an Admin Node Manager",
      );
    },
  };
}

/**
 * TLS options of a caller that was told by a signed document which certificate the server shows: that
 * very one counts, whoever issued it.
 */
export function pinnedServerTls(certificatePem: string): AgentOptions {
  const [pinned] = parseCertificatesPem(certificatePem);
  return {
    ca: certificatePem,
    allowPartialTrustChain: true,
    minVersion: "TLSv1.3",
    rejectUnauthorized: true,
    checkServerIdentity: (_host: string, certificate: NodePeerCertificate) =>
      pinned !== undefined && bytesEqual(certificate.raw, pinned.der)
        ? undefined
        : new DomainError("untrusted-server", "the server shows another certificate than it said"),
  };
}
