import type { KeyObject } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { assert, describeError, DomainError } from "../kit/index.ts";
import { completeCertificate, parseCertificate } from "../pki/index.ts";
import type { Certificate } from "../pki/index.ts";
import { signBytes } from "./key-pair.ts";
import { prepareLeaf } from "./prepare-leaf.ts";
import type { ToWorker, WorkerJob, WorkerResult } from "./signing-protocol.ts";

const authorities = new Map<string, { privateKey: KeyObject; certificate: Certificate }>();

function issue(job: WorkerJob): WorkerResult {
  try {
    const authority = authorities.get(job.authorityId);
    if (authority === undefined) {
      throw new DomainError(
        "authority-unavailable",
        `the key of authority ${job.authorityId} is not loaded here`,
      );
    }
    const ticket = prepareLeaf(job, authority.certificate);
    const signature = signBytes(authority.privateKey, ticket.tbs, ticket.signatureAlgorithm);
    const der = completeCertificate(ticket, signature);
    return { ok: true, der, serialHex: ticket.certificate.serialHex };
  } catch (error) {
    return error instanceof DomainError
      ? { ok: false, code: error.code, message: error.message, context: error.context }
      : { ok: false, code: "internal", message: describeError(error), context: {} };
  }
}

const port = parentPort;
assert(port !== null, "the signing worker runs in a worker thread");
port.on("message", (message: ToWorker) => {
  switch (message.kind) {
    case "add-authority": {
      const { id, privateKey, certificateDer } = message;
      authorities.set(id, { privateKey, certificate: parseCertificate(certificateDer) });
      break;
    }
    case "remove-authority":
      authorities.delete(message.id);
      break;
    case "batch":
      port.postMessage(message.jobs.map(issue));
  }
});
