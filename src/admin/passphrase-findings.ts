import type { Finding } from "../domain/index.ts";
import type { Evidence } from "../planning/index.ts";

/**
 * Hosts on which keys of a group are not under its present passphrase, and those on which nothing
 * but the modes of files protects that passphrase.
 */
export function passphraseFindings({ evidence }: { readonly evidence: Evidence }): Finding[] {
  const { hosts, groups, instances } = evidence.snapshot.topology;
  return groups.flatMap(({ id, name, passphrase }) => {
    if (passphrase === undefined) return [];
    const hostIds = new Set(
      instances.filter(({ groupId }) => groupId === id).map(({ hostId }) => hostId),
    );
    return hosts.flatMap((host): Finding[] => {
      if (!hostIds.has(host.id)) return [];
      const keys = evidence.hostOf.get(host.id)?.keys;
      const held = keys?.groups.find(({ groupId }) => groupId === id)?.version ?? 0;
      const where = { severity: "warning", subject: host.id } as const;
      return [
        ...(held >= passphrase.version
          ? []
          : [
              {
                ...where,
                code: "group-passphrase-pending",
                text: `keys of group ${name} on ${host.name} are not under its present passphrase yet: its Node Manager encrypts them when it is connected and knows that, else \`managedomain --change_passphrase\` gives it again`,
              },
            ]),
        ...(passphrase.hash === null || keys?.isEncrypted !== false
          ? []
          : [
              {
                ...where,
                code: "group-passphrase-exposed",
                text: `the keys of ${host.name}'s Node Manager are not encrypted, and so the passphrase of group ${name} is not there: \`managedomain --edit_host --new_passphrase_file FILE\` on that host encrypts them`,
              },
            ]),
      ];
    });
  });
}
