import { useEffect, useState } from "react";
import { type Role, rolesOf } from "./roles";
import type { Session } from "./session";

const NOBODY: Role[] = [];

/** The roles of the session's user; none until they are known. `version` changes with the user. */
export function useRoles(session: Session, version: number): Role[] {
  const [known, setKnown] = useState<{ version: number; roles: Role[] }>({ version: -1, roles: [] });
  useEffect(() => {
    let current = true;
    session.token().then(
      (token) => current && setKnown({ version, roles: rolesOf(token) }),
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [session, version]);
  // Those of the user before are not this one's, not even for the moment until his are known.
  return known.version === version ? known.roles : NOBODY;
}
