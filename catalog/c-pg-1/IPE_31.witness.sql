-- The largest packlist of Nigeria that was never paid for, by the order system.
SELECT TOP (1)
    CAST(k.[company] AS nvarchar(20)) AS company_code,
    CAST(k.[packlist_no] AS nvarchar(30)) AS packlist_number,
    CAST(N'open' AS nvarchar(20)) AS status,
    CAST(k.[closed_at] AS datetime) AS document_date,
    CAST(k.[amount_to_collect] AS decimal(38, 20)) AS outstanding_amount_lcy
FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[PACKLIST] AS k
WHERE k.[company] = N'EC_NG'
    AND k.[closed_at] < @cutoff
    AND k.[paid_at] IS NULL
ORDER BY k.[amount_to_collect] DESC, k.[packlist_no]
