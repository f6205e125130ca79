import { token } from "../session";
import { openDialogs } from "./Dialog";
import { Header } from "./Header";
import { Main } from "./Main";
import { Notices } from "./Notices";
import { Welcome } from "./Welcome";

export function App() {
  return (
    <>
      <Header />
      {token.value === null ? <Welcome /> : <Main key={token.value} />}
      {openDialogs.value === 0 && <Notices />}
    </>
  );
}
