import { createPublicKey } from "node:crypto";
import type { Finding } from "../domain/index.ts";
import { nodeCryptoPort } from "../keys/index.ts";
import {
  bytesEqual,
  certificateIsForHost,
  certificateText,
  formatTime,
  verifyPath,
  type Certificate,
} from "../pki/index.ts";
import type { ExaminationContext, FoundCredential, Say } from "./examination.ts";
import { snakeoilFile, wellKnown } from "./well-known.ts";

/** What is wrong with a credential as a whole: its key, dates, names, chain, and whose it is. */
export async function examineCredential(
  found: FoundCredential,
  context: ExaminationContext,
  say: Say,
): Promise<Finding[]> {
  const { leaf, certificatePath: path } = found;
  if (leaf === null) return [];
  const known = await wellKnown(leaf, context.snakeoilFile ?? snakeoilFile);
  if (known !== null)
    return [
      say(
        "well-known-credentials",
        "error",
        `${path} is ${known}, whose key others have too: let Gatehouse install a credential of its own`,
      ),
    ];
  return [
    ...keyFindings(found, leaf, say),
    ...dateFindings(path, leaf, context, say),
    ...nameFindings(path, leaf, context, say),
    ...chainFindings(found, leaf, context, say),
  ];
}

function keyFindings(
  { key, keyPath, certificatePath }: FoundCredential,
  leaf: Certificate,
  say: Say,
): Finding[] {
  if (key === null) return [];
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return bytesEqual(Uint8Array.from(spki), leaf.spki)
    ? []
    : [
        say(
          "key-mismatch",
          "error",
          `${keyPath} is not the key of the certificate in ${certificatePath}: place the two that belong together`,
        ),
      ];
}

function dateFindings(
  path: string,
  leaf: Certificate,
  { nowMs, domainNowMs }: ExaminationContext,
  say: Say,
): Finding[] {
  const name = certificateText(leaf);
  // Its server has this host's clock, and its peers have theirs.
  const [earliest, latest] = [
    Math.min(nowMs, domainNowMs ?? nowMs),
    Math.max(nowMs, domainNowMs ?? nowMs),
  ];
  if (latest > leaf.notAfterMs)
    return [
      say(
        "certificate-expired",
        "error",
        `${path}: ${name} expired ${formatTime(leaf.notAfterMs)}: renew it`,
      ),
    ];
  return earliest < leaf.notBeforeMs
    ? [
        say(
          "certificate-not-yet-valid",
          "error",
          `${path}: ${name} is valid from ${formatTime(leaf.notBeforeMs)} on: check this host's clock and that of its CA`,
        ),
      ]
    : [];
}

function nameFindings(
  path: string,
  leaf: Certificate,
  { names }: ExaminationContext,
  say: Say,
): Finding[] {
  const missing = names.filter((name) => !certificateIsForHost(leaf, name));
  return missing.length === 0
    ? []
    : [
        say(
          "wrong-name",
          "error",
          `${path}: ${certificateText(leaf)} is not for ${missing.join(", ")}, by which the member is called: renew it with these names`,
        ),
      ];
}

function chainFindings(
  { chain, anchors, certificatePath, trustPath }: FoundCredential,
  leaf: Certificate,
  { peerAnchors, nowMs }: ExaminationContext,
  say: Say,
): Finding[] {
  const trusted = peerAnchors ?? anchors;
  if (trusted.length === 0) return [];
  const result = verifyPath(
    { leaf, intermediates: chain, anchors: trusted, atMs: nowMs, purpose: "serverAuth" },
    nodeCryptoPort,
  );
  if (result.ok) return [];
  const { rule, message } = result.failure;
  if (rule === "expired" || rule === "not-yet-valid") {
    const isLeaf = nowMs > leaf.notAfterMs || nowMs < leaf.notBeforeMs;
    return isLeaf ? [] : [say("chain-expired", "error", `${certificatePath}: ${message}`)];
  }
  const whose =
    peerAnchors === null
      ? `those in ${trustPath ?? "its bundle"}`
      : "those that the other members trust";
  return rule === "issuer-unknown" || rule === "signature"
    ? [
        say(
          "wrong-ca",
          "error",
          `${certificatePath}: ${certificateText(leaf)} is of none of the CAs that count, ${whose}: install one of the current CA, or trust its CA first`,
        ),
      ]
    : [say("certificate-refused", "error", `${certificatePath}: ${message}`)];
}
