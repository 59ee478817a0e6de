"""A cell of the grid as a word: names, seams, and options in brackets."""

import pytest

from tfuda.experiment import cells


def test_an_option_of_a_tree_is_named_with_a_dot():
    found = cells.parse_cell("daaa[trade_offs.attention=0]")
    assert found.method == "daaa" and found.cell == "daaa[trade_offs.attention=0]"
    assert found.options.trade_offs.to_dict() == {"task": 1.0, "attention": 0.0, "expectation": 1.0}
    assert isinstance(found.options.trade_offs.attention, float)
    assert cells.parse_cell("daaa").options.trade_offs.attention == 0.1  # the class is as it was


def test_several_options_in_one_pair_of_brackets():
    text = "daaa[parts=source+source_as_target;trade_offs.attention=0.5;lagging=False;threshold=0]"
    options = cells.parse_cell(text).options
    assert options.parts == "source+source_as_target" and options.trade_offs.attention == 0.5
    assert options.lagging is False and options.threshold == 0.0 and isinstance(options.threshold, float)


def test_options_of_all_three_seams():
    found = cells.parse_cell("dannp[trade_offs.domain=0.5]+toalign[scale=16]+metaalign[rate=2]")
    assert (found.method, found.weigher, found.combiner) == ("dannp", "toalign", "metaalign")
    assert found.options.trade_offs.domain == 0.5 and found.weigher_options.scale == 16.0
    assert found.combiner_options.rate == 2.0


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("daaa[trade_offs.attentoin=0]", r"daaa has no option 'trade_offs\.attentoin', did you mean 'attention'"),
        ("daaa[trade_offs.domain=0]", r"daaa has no option 'trade_offs\.domain'; there are attention, expect"),
        ("daaa[trade_off.attention=0]", r"daaa has no option 'trade_off\.attention', did you mean 'trade_offs'"),
        ("daaa[threshold.attention=0]", r"daaa has no option 'threshold\.attention'"),
        ("daaa[distanse=l1]", "daaa has no option 'distanse', did you mean 'distance'"),
        ("daaa[steps=3]", "daaa has no option 'steps'"),
        ("daaa[threshold=high]", "daaa option threshold='high' is no float"),
        ("daaa[lagging]", "daaa option lagging='' is no bool"),
        ("daaa[lagging=0]", "daaa option lagging='0' is no bool"),
        ("daaa[lagging=None]", "daaa option lagging='None' is no bool"),
        ("dann[trade_offs=3]", "dann option trade_offs='3' is several: name one, as trade_offs.discriminator"),
        ("dann[trade_offs.task.more=3]", r"dann has no option 'trade_offs\.task\.more'"),
        ("daaa+daaa", "tfuda.weighers"),
        ("dann+toalign+biwaa", "names two weighers, 'toalign' and 'biwaa'"),
        ("dannn", "unknown name 'dannn' in tfuda.methods, did you mean 'dann'"),
        ("", "unknown name '' in tfuda.methods"),
        ("bnn", "unknown name 'bnn' in tfuda.methods, did you mean 'bnm'"),
    ],
)
def test_a_mistake_is_named(text, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        cells.parse_cell(text)
    assert "\n" not in str(error.value)
