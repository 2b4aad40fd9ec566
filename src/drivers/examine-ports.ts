import { isIP } from "node:net";
import type { Finding } from "../domain/index.ts";
import { certificatesPem, nodeCryptoPort, privateKeyToPem } from "../keys/index.ts";
import { certificateText, verifyPath, type Certificate } from "../pki/index.ts";
import type { ServedPort } from "./description.ts";
import type { ProbeCredential } from "./driver-code.ts";
import type { ExaminationContext, FoundCredential, Say } from "./examination.ts";
import { probePort, type PortAnswer, type TakenBy } from "./probe-port.ts";
import { fingerprintOf } from "./served.ts";
import { snakeoilFile, wellKnown } from "./well-known.ts";

/** What is wrong with the answer of a port that is to show the certificate in `found`. */
export async function portFindings(
  where: string,
  answer: PortAnswer,
  found: Pick<FoundCredential, "leaf" | "certificatePath"> | undefined,
  context: Pick<ExaminationContext, "snakeoilFile">,
  say: Say,
): Promise<Finding[]> {
  switch (answer.kind) {
    case "closed":
      return [
        say(
          "port-closed",
          "error",
          `${where} takes no connection: start the server, or check its configuration`,
        ),
      ];
    case "plaintext":
      return [
        say(
          "port-without-tls",
          "error",
          `${where} answers without TLS: switch TLS on in the server's configuration`,
        ),
      ];
    case "silent":
      return [
        say(
          "port-without-tls",
          "error",
          `${where} takes connections and answers no TLS handshake: switch TLS on, or look at the server's log`,
        ),
      ];
    case "refused":
      return [];
    case "tls": {
      const known = await wellKnown(answer.leaf, context.snakeoilFile ?? snakeoilFile);
      if (known !== null)
        return [
          say(
            "well-known-credentials",
            "error",
            `${where} shows ${known}, whose key others have too: let Gatehouse install a credential, and restart the server`,
          ),
        ];
      const file = found?.leaf ?? null;
      return file === null || fingerprintOf(file.der) === fingerprintOf(answer.leaf.der)
        ? []
        : [
            say(
              "served-differs",
              "error",
              `${where} shows ${certificateText(answer.leaf)}, and ${found?.certificatePath} holds ${certificateText(file)}: have the server read it, by a reload or restart`,
            ),
          ];
    }
  }
}

export interface PeerTrial {
  readonly found: Pick<FoundCredential, "key" | "leaf" | "chain" | "certificatePath"> | undefined;
  /** What this member trusts. */
  readonly anchors: readonly Certificate[];
  readonly nowMs: number;
  readonly say: Say;
  readonly takenBy: TakenBy;
  /** What the driver knows besides: a server may refuse a caller in words only. */
  readonly accepts?: (probe: ProbeCredential) => Promise<boolean>;
}

/** Calls another member as this one would, and judges what both make of it. */
export async function peerFindings(
  peer: string,
  port: ServedPort,
  { found, anchors, nowMs, say, takenBy, accepts }: PeerTrial,
): Promise<Finding[]> {
  const { key = null, leaf = null, chain = [] } = found ?? {};
  const probe =
    key === null || leaf === null
      ? null
      : {
          privateKeyPem: privateKeyToPem(key),
          certificateChainPem: certificatesPem([leaf, ...chain]),
        };
  const answer = await tried(port, probe, takenBy);
  if (answer.kind === "closed")
    return [
      say(
        "peer-unreachable",
        "warning",
        `${peer} takes no connection from here: check its server and the network`,
      ),
    ];
  const isCutOff = answer.kind === "refused" || (answer.kind === "tls" && answer.isRefused);
  const isRefused = probe !== null && (isCutOff || (await accepts?.(probe)) === false);
  const findings: Finding[] = [];
  if (isRefused)
    findings.push(
      say(
        "peer-does-not-trust-us",
        "error",
        `${peer} refuses the certificate in ${found?.certificatePath}: let it trust the CA of that certificate`,
      ),
    );
  if (answer.kind !== "tls" || anchors.length === 0) return findings;
  const result = verifyPath(
    { leaf: answer.leaf, intermediates: answer.chain, anchors, atMs: nowMs, purpose: "serverAuth" },
    nodeCryptoPort,
  );
  if (!result.ok)
    findings.push(
      say(
        "peer-not-trusted",
        "error",
        `${peer} shows a certificate that this member does not trust (${result.failure.message}): trust its CA, or give it one of the current CA`,
      ),
    );
  return findings;
}

/** A key that does not match its certificate cannot be shown; that is a finding of its own. */
async function tried(
  port: ServedPort,
  probe: ProbeCredential | null,
  takenBy: TakenBy,
): Promise<PortAnswer> {
  const named = isIP(port.host) === 0 ? { name: port.host, ...port } : port;
  if (probe === null) return probePort(named);
  try {
    const { privateKeyPem: key, certificateChainPem: cert } = probe;
    return await probePort(named, { key, cert, takenBy });
  } catch {
    return probePort(named);
  }
}
