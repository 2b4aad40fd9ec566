import { expect, test } from "vitest";
import { nearName } from "./near-name.ts";

test.each([
  ["HA_key.pem", "ha_key.pem"],
  ["HA_cert.pem", "HA_crt.pem"],
  ["HA_cert.pem", "ha_crt.pem"],
  ["HA_key.pem", "ha_keydata"],
  ["HA_cafile.pem", "HA_cafile.crt"],
  ["Cluster_key.pem", "Cluser_key.pem"],
  ["key.pem", "KEY.PEM"],
])("for %s, %s may have been meant", (expected, found) => {
  expect(nearName(expected, ["readme", found, expected])).toBe(found);
});

test.each([
  ["HA_key.pem", "HA_cert.pem"],
  ["HA_key.pem", "Cluster_key.pem"],
  ["key.pem", "trust.pem"],
  ["key.pem", "ca.pem"],
  ["HA_cert.pem", ".unfinished-gatehouse-HA_cert.pem"],
])("for %s, %s was not meant", (expected, found) => {
  expect(nearName(expected, [found])).toBeNull();
});

test("the nearest of several names is taken", () => {
  expect(nearName("HA_cert.pem", ["HA_crt.pem", "ha_cert.pem"])).toBe("ha_cert.pem");
});
