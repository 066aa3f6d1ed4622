/** What is made of a subject once in a process, when it is first asked for, and is given up with it. */
export function oncePer<Subject extends WeakKey, Made>(make: (subject: Subject) => Made): (subject: Subject) => Made {
  const known = new WeakMap<Subject, { readonly made: Made }>();
  return (subject) => {
    let found = known.get(subject);
    if (found === undefined) {
      found = { made: make(subject) };
      known.set(subject, found);
    }
    return found.made;
  };
}
