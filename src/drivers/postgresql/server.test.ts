import { expect, test } from "vitest";
import { memberOf } from "../../../test/support/member.ts";
import { conninfoOf, literal } from "./server.ts";

test("a member connects to the other one by TLS, with its own certificate and no secret in the words", () => {
  const member = {
    ...memberOf({
      name: "postgresql",
      folder: "/srv/it's",
      visible: "link",
      files: [
        { what: "key", path: "key.pem" },
        { what: "certificate-and-chain", path: "certificate.pem" },
        { what: "trust-bundle", path: "trust.pem" },
      ],
      served: [],
      trust: { overlap: true, takesEffect: "reload" },
    }),
    values: { replicationUser: "replication", passwordFile: "/srv/.pgpass" },
  };
  const peer = { name: "two", address: "db2.example", pair: null, values: { port: "5433" } };
  expect(conninfoOf(member, peer)).toBe(
    String.raw`host='db2.example' port='5433' user='replication' passfile='/srv/.pgpass' sslmode='verify-ca' sslrootcert='/srv/it\'s/current/trust.pem' sslcert='/srv/it\'s/current/certificate.pem' sslkey='/srv/it\'s/current/key.pem' connect_timeout='10'`,
  );
  expect(literal("host='a'")).toBe("'host=''a'''");
});
