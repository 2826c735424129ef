import { recount } from "./actions";

export default function Page() {
  return (
    <>
      <h1>Count the cafes</h1>
      <form action={recount}>
        <label>
          City, or all of them
          <input name="city" placeholder="leipzig" />
        </label>
        <button>Count</button>
      </form>
    </>
  );
}
