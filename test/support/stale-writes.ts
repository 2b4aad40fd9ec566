import type { FaultDomain } from "./fault-domain.ts";
import type { PostgresServer } from "./postgresql.ts";

/** Keeps every claim of the lease, in the transaction that makes it, for `staleWrites`. */
export async function watchClaims(server: PostgresServer, database: string): Promise<void> {
  await server.query(
    `create table lease_claims (holder text, fencing_token bigint);
     insert into lease_claims select holder, fencing_token from leases;
     create function keep_claim() returns trigger language plpgsql as $$
       begin
         if tg_op = 'INSERT' or old.fencing_token <> new.fencing_token then
           insert into lease_claims values (new.holder, new.fencing_token);
         end if;
         return new;
       end $$;
     create trigger keep_claim after insert or update on leases
       for each row execute function keep_claim()`,
    database,
  );
}

/**
 * What leaders committed after a newer leader's claim had been. Throws where that could not be told:
 * nothing was committed under a token, or nothing claimed.
 */
export async function staleWrites({
  primary,
  database,
}: Pick<FaultDomain, "primary" | "database">): Promise<unknown[]> {
  const leading = `select writer, position, action, xmin, (detail::json ->> 'fencingToken')::bigint as token
    from audit_records where action in ('rollout.step', 'rollout.finish', 'audit.anchor')`;
  const [known = {}] = await primary.query(
    `select (select count(token)::int from (${leading}) w) as writes,
      (select count(*)::int from lease_claims) as claims`,
    database,
  );
  if (known["writes"] === 0 || known["claims"] === 0)
    throw new Error(`nothing tells stale writes: ${JSON.stringify(known)}`);
  return primary.query(
    `select w.writer, w.position, w.action, w.token, c.holder
       from (${leading}) w join lease_claims c on c.fencing_token > w.token
      where pg_xact_commit_timestamp(w.xmin) > pg_xact_commit_timestamp(c.xmin)`,
    database,
  );
}
