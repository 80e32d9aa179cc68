import { useEffect, useState } from "react";
import { type Role, rolesOf } from "./roles";
import type { Session } from "./session";

/** The roles of the session's user; none until they are known. `version` changes with the user. */
export function useRoles(session: Session, version: number): Role[] {
  const [roles, setRoles] = useState<Role[]>([]);
  useEffect(() => {
    let current = true;
    session.token().then(
      (token) => current && setRoles(rolesOf(token)),
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [session, version]);
  return roles;
}
