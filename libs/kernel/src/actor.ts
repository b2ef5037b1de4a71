/**
 * One text for all ways to write an actor's name: compatibility forms, letter case and what cannot be seen make no other person. To compare
 * by, never to show: the log says who the credentials said. As Unicode's NFKC_Casefold, but for letters that only turn up between the two.
 */
export function actorKey(actor: string): string {
  const visible = actor.normalize('NFKC').replace(/\p{Default_Ignorable_Code_Point}/gu, '');
  // Up before down: ß and SS, ſ and s, ς and σ become one only by their capitals.
  return visible.toUpperCase().toLowerCase().normalize('NFKC').trim();
}

/** Whether two names are of one actor, for rules that ask for somebody else. */
export function isSameActor(one: string, other: string): boolean {
  return one === other || actorKey(one) === actorKey(other);
}
