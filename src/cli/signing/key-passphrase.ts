import type { HostId } from "../../kit/index.ts";
import type { Admin } from "../admin-session.ts";

/**
 * Has a host encrypt, by the passphrase that was given with `--key_passphrase`, the keys that it is
 * about to make for certificates from elsewhere; null: none was.
 */
export async function protectPending(
  admin: Admin,
  hostId: HostId,
  passphrase: string | null,
): Promise<void> {
  if (passphrase === null || passphrase === "") return;
  await admin.call("setKeyPassphrase", { params: { id: hostId }, body: { passphrase } });
}
