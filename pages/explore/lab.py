"""Choose the parts, press Start, follow the attack live: one screen."""

import streamlit as st

from ui import controls, gallery, kinds, launch, live, location, session, welcome

location.arrive()

with st.container(horizontal=True, key="lab", gap="large"):
    with st.container(width=350, key="setup", gap="small"):
        draft = launch.draw()

    with st.container(key="live"):
        if notice := st.session_state.get(location.NOTICE):
            st.info(notice, icon=":material/link_off:")
        run_id, run = st.session_state.get(session.RUN), session.selected_run()
        if run is not None and kinds.page_of(run) != kinds.LAB:
            st.switch_page(kinds.page_of(run), query_params={"run": run.id})
        if run is not None:
            gallery.above([run])
            controls.draw(run, draft.spec)
            live.follow(run)
        else:
            if run_id:
                st.info("There is no run with this address. It may have been deleted; Runs lists those there are.")
            welcome.draw()

location.write(draft.spec)
session.keeper().want_runner()  # last: nothing that is drawn should wait for the processor that Ray takes to start
