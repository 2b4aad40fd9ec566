import type { Finding } from "../domain/index.ts";
import type { Evidence } from "../planning/index.ts";

/**
 * What hosts issued while no Admin Node Manager could be asked, and could not be taken over as it is:
 * while it is in use, and journals that do not go on where they ended.
 */
export function journalFindings({ evidence }: { readonly evidence: Evidence }): Finding[] {
  return evidence.snapshot.topology.hosts.flatMap(({ id: hostId, name, journal }) =>
    (journal?.refused ?? []).flatMap(({ number, credentialId, serial, reason }): Finding[] => {
      const severity = "error";
      if (serial === "") {
        const text = `the journal of local issuances of ${name} (${hostId}) is not taken over from entry ${number} on: ${reason}; delete the host and join it anew`;
        return [{ code: "local-journal-broken", severity, subject: hostId, text }];
      }
      if (evidence.credentialOf.get(credentialId)?.installed?.serial !== serial) return [];
      const text = `${credentialId} on ${name} uses the certificate ${serial}, which was issued while no Admin Node Manager could be asked and does not count: ${reason}; another one is asked for`;
      return [{ code: "local-issuance-refused", severity, subject: credentialId, text }];
    }),
  );
}
