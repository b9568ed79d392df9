from eiwork.errors import choices, listed


def test_few_names_are_told_and_of_many_the_nearest_with_where_all_are():
    names = [f"ct-{i}" for i in range(9)]
    assert choices("ct-3x", names[:8], "nowhere") == "choose from " + ", ".join(names[:8])
    told = choices("ct-3x", names, "`eiwork recipes`")
    assert told.startswith("the nearest of 9 are ct-3, ct-")
    assert told.endswith("; `eiwork recipes` has them all")
    assert len(told.split(", ")) == 3
    assert (listed(names), listed(names[:2]), listed([])) == ("ct-0, ct-1, ct-2 and 6 more", "ct-0, ct-1", "none")
